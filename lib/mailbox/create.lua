-- ARGV: name, special use. Returns {fields, keywords}.
ensure_account()
if call('HEXISTS', base .. 'names', ARGV[1]) == 1 then return fail('EXISTS the mailbox exists already') end
local id, problem = create_folder(ARGV[1], ARGV[2])
if not id then return fail(problem) end
publish(id, next_modseq())
return {folder_fields(id), {}}
