-- Files messages into one folder: all or none.
-- ARGV: 1 folder name ('' = INBOX), 2 create (1/0), 3 delivery id ('' = none),
--   4 recheck (1/0), 5 quota bytes (0 = none), 6 now (unix s), 7 what delivery
--   ids begin with at least to be kept, 8 folder id and 9 UID of a message that
--   goes in exchange ('' = none), 10 retention of its tombstone (s), then for
--   each message: flags, size, keyword names (separated by spaces), packed cold record.
-- Returns {duplicate, uidvalidity, first uid, modseq, first email id, modseq of
--   the removal, modseq of its folder before, cold record of what went}.
if ARGV[3] ~= '' and ARGV[4] == '1' and call('LPOS', base .. 'filed', ARGV[3]) then return {1, 0, 0, 0, 0} end
ensure_account()
local count = (#ARGV - 10) / 4
local bytes = 0
for i = 0, count - 1 do bytes = bytes + tonumber(ARGV[12 + i * 4]) end
local old_bytes = 0
if ARGV[8] ~= '' then
  old_bytes = size_of(base .. 'f:' .. ARGV[8], tonumber(ARGV[9]))
  if not old_bytes then return fail('FENCED the message to be replaced is no more') end
end
local m = call('HMGET', meta, 'bytes', 'modseq', 'next_email')
local quota = tonumber(ARGV[5])
if quota > 0 and tonumber(m[1]) + bytes - old_bytes > quota then return fail('OVERQUOTA the account holds all that it may') end

local id = 1
if ARGV[1] ~= '' then
  id = call('HGET', base .. 'names', ARGV[1])
  if not id and ARGV[2] ~= '1' then return fail('NOTFOUND there is no such mailbox') end
  if not id then
    local problem
    id, problem = create_folder(ARGV[1], '')
    if not id then return fail(problem) end
  end
end
local f = base .. 'f:' .. id
if tonumber(call('HGET', f, 'uidnext')) + count >= 4294967295 then
  return fail('LIMIT the mailbox has used up its UIDs')
end
local modseq, email = tonumber(m[2]) + 1, tonumber(m[3])
local records = {}
for i = 0, count - 1 do
  local at = 11 + i * 4
  local lo, hi = 0, 0
  if ARGV[at + 2] ~= '' then
    lo, hi = keyword_bits(f, ARGV[at + 2], true)
    if not lo then return fail('LIMIT a mailbox has at most 64 keywords') end
  end
  local cold = ARGV[at + 3]
  cold = string.sub(cold, 1, 48) .. struct.pack('<I4', tonumber(ARGV[6])) .. string.sub(cold, 53)
  records[i + 1] = {tonumber(ARGV[at]), tonumber(ARGV[at + 1]), modseq, email + i, lo, hi, cold}
end
local first, validity = append_records(id, records, modseq)
call('HSET', meta, 'modseq', modseq, 'next_email', email + count, 'bytes', tonumber(m[1]) + bytes)
add(meta, 'messages', count)
if ARGV[3] ~= '' then
  call('RPUSH', base .. 'filed', ARGV[3])
  -- Delivery ids begin with their time, in order of time as text.
  for _ = 1, 4 do
    local oldest = call('LINDEX', base .. 'filed', 0)
    if string.sub(oldest, 1, #ARGV[7]) >= ARGV[7] then break end
    call('LPOP', base .. 'filed')
  end
end
publish(id, modseq)
if ARGV[8] == '' then return {0, validity, first, modseq, email} end

local previous = call('HGET', base .. 'f:' .. ARGV[8], 'modseq')
local removal, old = next_modseq(), tonumber(ARGV[9])
local removed = remove_records(ARGV[8], {{old, old}}, removal, tonumber(ARGV[6]), tonumber(ARGV[10]),
  function() return true end)
add(meta, 'bytes', -old_bytes)
add(meta, 'messages', -1)
publish(ARGV[8], removal)
return {0, validity, first, modseq, email, removal, previous, removed[1][8]}
