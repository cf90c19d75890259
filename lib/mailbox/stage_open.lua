-- Begins a copy that takes several steps (staging.c): creates a nameless folder to
-- collect it. Nobody sees this folder; an abandoned one is doomed when its lease
-- ends.
if not folder_exists(from) then return fail('NOTFOUND there is no such mailbox') end
if class_of(from) ~= CLASS.MAIL then return fail('DENIED items cannot be copied into mail folders') end
local to = call('HGET', base .. 'names', name)
if not to then return fail('NOTFOUND there is no such mailbox') end
doom_abandoned()
local id = call('HINCRBY', meta, 'next_folder', 1)
local copy = id .. ':' .. token
call('HSET', base .. 'f:' .. id, 'target', to, 'modseq', next_modseq(), 'count', 0, 'unseen', 0, 'deleted', 0, 'bytes', 0,
     'deleted_bytes', 0, 'keywords_low', 0, 'keywords_high', 0)
call('ZADD', base .. 'copies', now_ms() + lease, copy)
return answer{copy = copy, doomed = call('SMEMBERS', base .. 'doomed')}
