-- Files messages into one folder: all or none.
-- ARGV: 1 folder name ('' = INBOX), 2 create (1/0), 3 quota bytes (0 = none), 4 now (unix s), 5 folder id and
--   6 UID of a message that goes in exchange ('' = none), 7 retention of its tombstone (s);
--   of a delivery: 8 spool id ('' = none), 9 its way, 10 when it came into the spool and 11 when this try began
--   (unix s), 12 how long the ledger is kept (s), 13 in doubt (1/0), 14 passes the spool's reference (1/0);
--   then for each message: flags, size, keyword names (separated by spaces), packed cold record.
-- Returns {duplicate, uidvalidity, first uid, modseq, first email id, modseq of
--   the removal, modseq of its folder before, cold record of what went}; of a duplicate {1, 1: what was filed
--   before took the spool's reference}.
--
-- The ledger of a day, mail:{<address>}:filed:<day of the spool id>, is a hash. <id>[:<way>] says for a way of
-- the message which folder it came to; <id>/<folder> that it is in the folder. One field serves for both where
-- no way is given and the folder is INBOX. "p" ends the value of what took the spool's reference.
local FIRST, TRY_LIFE = 14, 6 * 3600
local ledger, way, place
local spool_id, life = ARGV[8], tonumber(ARGV[12])

local function duplicate(was) return {1, string.sub(was, -1) == 'p' and 1 or 0} end

-- What was filed on a way, or nil and why this try may not file.
local function look_up()
  local now, spooled = tonumber(call('TIME')[1]), tonumber(ARGV[10])
  ledger = base .. 'filed:' .. math.floor(spooled / 86400)
  way = ARGV[9] == '' and spool_id or spool_id .. ':' .. ARGV[9]
  local was = call('HGET', ledger, way)
  if was then return was end
  -- Behind these limits the ledger, or the sweep, knows nothing of this try any more.
  if now - tonumber(ARGV[11]) > TRY_LIFE then return nil, 'FENCED this try began too long ago' end
  if ARGV[13] == '1' and now - spooled > life - 86400 then
    return nil, 'FENCED it is not known any more whether the message was filed before'
  end
  -- An account that is being deleted was disabled first.
  local user = 'user:' .. string.sub(base, 6, -2)
  local enabled = string.lower(call('HGET', user, 'enabled') or '1')
  if call('EXISTS', user) == 0 or enabled == '0' or enabled == 'off' or enabled == 'false' or enabled == 'no' then
    return nil, 'DENIED the account is no more, or disabled'
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

if spool_id ~= '' then
  local was, problem = look_up()
  if was then return duplicate(was) end
  if problem then return fail(problem) end
end
ensure_account()
local id = 1
if ARGV[1] ~= '' then
  id = call('HGET', base .. 'names', ARGV[1])
  if not id and ARGV[2] ~= '1' then return fail('NOTFOUND there is no such mailbox') end
end
if spool_id ~= '' and id then
  local was = look_up_place(id)
  if was then
    note(id, string.match(was, 'p?$'))
    return duplicate(was)
  end
end

local count = (#ARGV - FIRST) / 4
local bytes = 0
for i = 0, count - 1 do bytes = bytes + tonumber(ARGV[FIRST + 2 + i * 4]) end
local old_bytes = 0
if ARGV[5] ~= '' then
  old_bytes = size_of(base .. 'f:' .. ARGV[5], tonumber(ARGV[6]))
  if not old_bytes then return fail('FENCED the message to be replaced is no more') end
end
local m = call('HMGET', meta, 'bytes', 'modseq', 'next_email')
local quota = tonumber(ARGV[3])
if quota > 0 and tonumber(m[1]) + bytes - old_bytes > quota then return fail('OVERQUOTA the account holds all that it may') end
if not id then
  local problem
  id, problem = create_folder(ARGV[1], '')
  if not id then return fail(problem) end
  if spool_id ~= '' then look_up_place(id) end
end
local f = base .. 'f:' .. id
if tonumber(call('HGET', f, 'uidnext')) + count >= 4294967295 then
  return fail('LIMIT the mailbox has used up its UIDs')
end
local modseq, email = tonumber(m[2]) + 1, tonumber(m[3])
local records = {}
for i = 0, count - 1 do
  local at = FIRST + 1 + i * 4
  local lo, hi = 0, 0
  if ARGV[at + 2] ~= '' then
    lo, hi = keyword_bits(f, ARGV[at + 2], true)
    if not lo then return fail('LIMIT a mailbox has at most 64 keywords') end
  end
  local cold = ARGV[at + 3]
  cold = string.sub(cold, 1, 48) .. struct.pack('<I4', tonumber(ARGV[4])) .. string.sub(cold, 53)
  records[i + 1] = {tonumber(ARGV[at]), tonumber(ARGV[at + 1]), modseq, email + i, lo, hi, cold}
end
local first, validity = append_records(id, records, modseq)
call('HSET', meta, 'modseq', modseq, 'next_email', email + count, 'bytes', tonumber(m[1]) + bytes)
add(meta, 'messages', count)
if spool_id ~= '' then note(id, ARGV[14] == '1' and 'p' or '') end
publish(id, modseq)
if ARGV[5] == '' then return {0, validity, first, modseq, email} end

local previous = call('HGET', base .. 'f:' .. ARGV[5], 'modseq')
local removal, old = next_modseq(), tonumber(ARGV[6])
local removed = remove_records(ARGV[5], {{old, old}}, removal, tonumber(ARGV[4]), tonumber(ARGV[7]),
  function() return true end)
add(meta, 'bytes', -old_bytes)
add(meta, 'messages', -1)
publish(ARGV[5], removal)
return {0, validity, first, modseq, email, removal, previous, removed[1][8]}
