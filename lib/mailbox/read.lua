-- Reads chunks of a folder, so many at a time.
local f = base .. 'f:' .. id
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local numbers, rest = changed_chunks(f, first, last, since)
local hot, cold = {}, {}
for i, n in ipairs(numbers) do
  hot[i] = call('GET', f .. ':h:' .. n)
  if want_cold then cold[i] = call('GET', f .. ':c:' .. n) end
end
local gone, more, complete
if from and is_whole(rest, begun, h[1]) then gone, more, complete = stones_after(f, from) end
return answer{
  modseq = h[1], uid_next = h[2], uid_validity = h[3], hot = hot, cold = cold, next = rest, gone = gone, more = more,
  complete = complete,
}
