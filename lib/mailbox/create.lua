-- Creates a folder.
ensure_account()
if call('HEXISTS', names_of(class), name) == 1 then return fail('EXISTS the mailbox exists already') end
local modseq = next_modseq()
local id, problem = create_folder(name, special, class, modseq)
if not id then return fail(problem) end
publish(id, modseq)
return answer{fields = folder_fields(id), keywords = {}}
