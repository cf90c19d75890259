-- Removes a folder's name; its records are reaped afterwards. Returns its id.
ensure_account()
id = id or call('HGET', base .. 'names', name)
if not id or not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
if tonumber(id) == 1 then return fail('DENIED INBOX cannot be deleted') end
local h = call('HMGET', base .. 'f:' .. id, 'bytes', 'count', 'subscribed', 'special')
local class = class_of(id)
if class ~= CLASS.MAIL and h[4] ~= '' then return fail('DENIED the first folder of its kind cannot be deleted') end
local its_name = name_of(id)
local prefix = its_name .. '/'
for _, other in ipairs(call('HKEYS', names_of(class))) do
  if string.sub(other, 1, #prefix) == prefix then return fail('DENIED the mailbox has mailboxes below it') end
end
count_records(id, -tonumber(h[2]), -tonumber(h[1]))
call('HDEL', names_of(class), its_name)
note_names()
call('SADD', base .. 'doomed', id)
-- A subscription outlives its mailbox (RFC 9051, 6.3.7).
if class == CLASS.MAIL and h[3] == '1' then call('SADD', base .. 'subs', its_name) end
local modseq = next_modseq()
log_no_folder(id, class, modseq, now, retention)
publish(id, modseq)
return tostring(id)
