-- The changes in a folder after a modseq, so many chunks at a time. With the last
-- chunks come what is gone and the counts, if nothing changed in between.
local f = base .. 'f:' .. id
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local numbers, rest = {}, nil
if tonumber(h[1]) > since then numbers, rest = changed_chunks(f, first, 4294967295, since) end
local hot = {}
for i, n in ipairs(numbers) do hot[i] = call('GET', f .. ':h:' .. n) end
local gone, more, complete, fields, keywords
if is_whole(rest, begun, h[1]) then
  gone, more, complete = stones_after(f, from)
  fields, keywords = folder_fields(id), keyword_list(f)
  if take then take_recent(f) end
end
return answer{
  modseq = h[1], uid_next = h[2], uid_validity = h[3], hot = hot, next = rest, gone = gone, more = more,
  complete = complete, fields = fields, keywords = keywords,
}
