-- Gives an empty folder of items another class. Clients of the old class see it
-- deleted; to clients of the new class it is a new folder.
if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
local f = base .. 'f:' .. id
local h, was = call('HMGET', f, 'count', 'special'), class_of(id)
if was == class then return 1 end
if was == CLASS.MAIL or class == CLASS.MAIL then return fail('DENIED a folder cannot change between mail and items') end
if h[1] ~= '0' then return fail('DENIED the folder is not empty') end
if h[2] ~= '' then return fail('DENIED the first folder of its class keeps its class') end
local modseq = next_modseq()
log_no_folder(id, was, modseq, now, retention)
call('HSET', f, 'class', class, 'born', modseq)
log_folder(id, modseq)
publish(id, modseq)
return 1
