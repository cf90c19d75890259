-- Chunks of a folder. ARGV: id, first uid, last uid, parts (1 hot, 2 cold),
-- changed since (0: all). Returns {modseq, uidnext, uidvalidity, {hot ...}, {cold ...}};
-- the caller cuts what lies outside the UIDs or has not changed.
local f = base .. 'f:' .. ARGV[1]
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local parts, since = tonumber(ARGV[4]), tonumber(ARGV[5])
local hot, cold = {}, {}
for _, n in ipairs(chunks_between(f, tonumber(ARGV[2]), tonumber(ARGV[3]))) do
  if since == 0 or tonumber(string.match(call('HGET', f .. ':chunks', n), '%d+$')) > since then
    hot[#hot + 1] = call('GET', f .. ':h:' .. n)
    if parts >= 2 then cold[#cold + 1] = call('GET', f .. ':c:' .. n) end
  end
end
return {h[1], h[2], h[3], hot, cold}
