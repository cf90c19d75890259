-- Files messages into one folder: all or none.
-- ARGV: 1 folder name ('' = INBOX), 2 create (1/0), 3 delivery id ('' = none),
--   4 recheck (1/0), 5 quota bytes (0 = none), 6 now (unix s), 7 what delivery
--   ids begin with at least to be kept, then for each message: flags, size,
--   keyword names (separated by spaces), packed cold record.
-- Returns {duplicate, uidvalidity, first uid, modseq, first email id}.
if ARGV[3] ~= '' and ARGV[4] == '1' and call('LPOS', base .. 'filed', ARGV[3]) then return {1, 0, 0, 0, 0} end
ensure_account()
local count = (#ARGV - 7) / 4
local bytes = 0
for i = 0, count - 1 do bytes = bytes + tonumber(ARGV[9 + i * 4]) end
local m = call('HMGET', meta, 'bytes', 'modseq', 'next_email')
local quota = tonumber(ARGV[5])
if quota > 0 and tonumber(m[1]) + bytes > quota then return fail('OVERQUOTA the account holds all that it may') end

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
  local at = 8 + i * 4
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
return {0, validity, first, modseq, email}
