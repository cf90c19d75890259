-- Files messages into one folder: all or none. The table's arguments are followed, for each message, by: flags,
-- size, keyword names (separated by spaces), packed cold record.
--
-- The ledger of a day, mail:{<address>}:filed:<day of the spool id>, is a hash. The field <id>[:<way>] says which
-- folder the message was filed into by that way; <id>/<folder> says that it is in the folder. If no way is given
-- and the folder is INBOX, one field serves both purposes. A value that ends in "p" belongs to the delivery that
-- took the spool's reference.
local TRY_LIFE, EACH = 6 * 3600, 4
local ledger, way, place

local function duplicate(was) return answer{duplicate = 1, had_passed = string.sub(was, -1) == 'p' and 1 or 0} end

-- What was filed by a way, or nil and why this attempt may not file.
local function look_up()
  local time = tonumber(call('TIME')[1])
  ledger = base .. 'filed:' .. math.floor(spooled / 86400)
  way = way_name == '' and spool_id or spool_id .. ':' .. way_name
  local was = call('HGET', ledger, way)
  if was then return was end
  -- Beyond these limits the ledger, or the sweep, no longer knows anything of this
  -- attempt.
  if time - begun > TRY_LIFE then return nil, 'FENCED this attempt began too long ago' end
  if in_doubt and time - spooled > life - 86400 then
    return nil, 'FENCED it is no longer known whether the message was delivered before'
  end
  -- An account is disabled before it is deleted.
  local user = 'user:' .. string.sub(base, 6, -2)
  local enabled = string.lower(call('HGET', user, 'enabled') or '1')
  if call('EXISTS', user) == 0 or enabled == '0' or enabled == 'off' or enabled == 'false' or enabled == 'no' then
    return nil, 'DENIED the account was deleted or is disabled'
  end
end

local function look_up_place(id)
  place = spool_id .. '/' .. id
  local was = call('HGET', ledger, place)
  if not was and tonumber(id) == 1 then
    was = call('HGET', ledger, spool_id)
    if was and tonumber(string.match(was, '^%d+')) ~= 1 then was = nil end
  end
  return was
end

local function note(id, mark)
  call('HSET', ledger, way, id .. mark)
  if way ~= spool_id or tonumber(id) ~= 1 then call('HSET', ledger, place, mark) end
  if call('TTL', ledger) < life - 3600 then call('EXPIRE', ledger, life) end
end

if once ~= '' then
  local was = once_find(once)
  if was then
    return answer{
      duplicate = 1, had_passed = was.body == body_of(ARGV[more + 3]) and 1 or 0, first_uid = was.uid,
      uid_validity = call('HGET', base .. 'f:' .. was.folder, 'uidvalidity'), modseq = was.modseq,
      first_email_id = was.email,
    }
  end
end
if spool_id ~= '' then
  local was, problem = look_up()
  if was then return duplicate(was) end
  if problem then return fail(problem) end
end
ensure_account()
local id = 1
if name ~= '' then
  id = call('HGET', base .. 'names', name)
  if not id and not create then return fail('NOTFOUND there is no such mailbox') end
end
if spool_id ~= '' and id then
  local was = look_up_place(id)
  if was then
    note(id, string.match(was, 'p?$'))
    return duplicate(was)
  end
end

local count = (#ARGV - more + 1) / EACH
local bytes = 0
for i = 0, count - 1 do bytes = bytes + tonumber(ARGV[more + 1 + i * EACH]) end
local old_bytes = 0
if exchange then
  if class_of(exchange) ~= CLASS.MAIL then return fail('DENIED the message to replace is not mail') end
  local its = folder_exists(exchange) and record_of(base .. 'f:' .. exchange, old)
  if not its then return fail('FENCED the message to replace no longer exists') end
  old_bytes = its.size
end
local m = call('HMGET', meta, 'bytes', 'next_email')
if quota > 0 and tonumber(m[1]) + bytes - old_bytes > quota then
  return fail('OVERQUOTA the quota of the account would be exceeded')
end
if not id then
  local problem
  id, problem = create_folder(name, '', CLASS.MAIL, next_modseq())
  if not id then return fail(problem) end
  if spool_id ~= '' then look_up_place(id) end
end
local f = base .. 'f:' .. id
if tonumber(call('HGET', f, 'uidnext')) + count >= 4294967295 then
  return fail('LIMIT the mailbox has used up its UIDs')
end
local modseq, email = next_modseq(), tonumber(m[2])
local records = {}
for i = 0, count - 1 do
  local flags, size, keywords, cold = unpack(ARGV, more + i * EACH, more + i * EACH + 3)
  local lo, hi = 0, 0
  if keywords ~= '' then
    lo, hi = keyword_bits(f, keywords, true)
    if not lo then return fail('LIMIT a mailbox has at most ' .. KEYWORDS .. ' keywords') end
  end
  records[i + 1] = {tonumber(flags), tonumber(size), modseq, email + i, lo, hi, saved_now(cold, now)}
end
local first, validity = append_records(id, records, modseq)
call('HSET', meta, 'next_email', email + count)
count_records(id, count, bytes)
if spool_id ~= '' then note(id, passes and 'p' or '') end
if once ~= '' then once_note(once, id, first, modseq, email, records[1][7]) end
publish(id, modseq)
local filed = {duplicate = 0, uid_validity = validity, first_uid = first, modseq = modseq, first_email_id = email}
if not exchange then return answer(filed) end

filed.previous = call('HGET', base .. 'f:' .. exchange, 'modseq')
filed.removal = next_modseq()
local removed = remove_records(exchange, {{old, old}}, filed.removal, now, retention,
  function() return true end)
add(meta, 'bytes', -old_bytes)
add(meta, 'messages', -1)
publish(exchange, filed.removal)
filed.cold = removed[1][8]
return answer(filed)
