-- Opens one folder by name for a session.
ensure_account()
local id = call('HGET', base .. 'names', name)
if not id then return fail('NOTFOUND there is no such mailbox') end
local f = base .. 'f:' .. id
if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
local fields, field = folder_fields(id), {}
for i, key in ipairs(FOLDER) do field[key] = fields[i] end

-- This many chunks are searched from the end, where new messages are, and from
-- the beginning.
local LOOK = 8

-- Number of unseen messages in a chunk, and the position of the first one.
local function unseen_of(n)
  local hot = call('GET', f .. ':h:' .. n)
  local count, first = 0, nil
  for i = 0, #hot / HOT - 1 do
    if string.byte(hot, i * HOT + HOT_AT.flags + 1) % (2 * FLAG.SEEN) < FLAG.SEEN then
      count = count + 1
      first = first or i
    end
  end
  return count, first
end

local function messages_before(chunks, at)
  local sum = 0
  for i = 1, at - 1 do sum = sum + tonumber(string.match(call('HGET', f .. ':chunks', chunks[i]), '^%d+')) end
  return sum
end

local function first_unseen()
  local count, left = tonumber(field.count), tonumber(field.unseen)
  if left == 0 then return 0 end
  if left == count then return 1 end
  local chunks = chunks_between(f, 0, 4294967295)
  for at = #chunks, math.max(#chunks - LOOK + 1, 1), -1 do
    local unseen, first = unseen_of(chunks[at])
    left = left - unseen
    if left <= 0 then return messages_before(chunks, at) + first + 1 end
  end
  for at = 1, math.min(LOOK, #chunks - LOOK) do
    local _, first = unseen_of(chunks[at])
    if first then return messages_before(chunks, at) + first + 1 end
  end
  return 0
end

local first = first_unseen()
if take then take_recent(f) end
return answer{fields = fields, keywords = keyword_list(f), first_unseen = first}
