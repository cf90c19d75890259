-- What is gone after a modseq: continues the lists that changes.lua and read.lua
-- begin.
local f = base .. 'f:' .. id
if call('EXISTS', f) == 0 then return fail('NOTFOUND there is no such mailbox') end
local gone, more, complete = stones_after(f, since)
return answer{gone = gone, more = more, complete = complete}
