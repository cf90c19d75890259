-- Makes a folder.
ensure_account()
if call('HEXISTS', base .. 'names', name) == 1 then return fail('EXISTS the mailbox exists already') end
local id, problem = create_folder(name, special)
if not id then return fail(problem) end
publish(id, next_modseq())
return answer{fields = folder_fields(id), keywords = {}}
