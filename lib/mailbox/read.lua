-- Chunks of a folder.
local f = base .. 'f:' .. id
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local hot, cold = {}, {}
for _, n in ipairs(chunks_between(f, first, last)) do
  if since == 0 or tonumber(string.match(call('HGET', f .. ':chunks', n), '%d+$')) > since then
    hot[#hot + 1] = call('GET', f .. ':h:' .. n)
    if want_cold then cold[#cold + 1] = call('GET', f .. ':c:' .. n) end
  end
end
return answer{modseq = h[1], uid_next = h[2], uid_validity = h[3], hot = hot, cold = cold}
