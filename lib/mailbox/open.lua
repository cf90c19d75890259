-- One folder by name or, with ARGV[2], by id. Returns {fields, keywords}.
ensure_account()
local id = ARGV[2]
if id == '' then id = call('HGET', base .. 'names', ARGV[1]) end
if not id or not folder_exists(base .. 'f:' .. id) then return fail('NOTFOUND there is no such mailbox') end
return {folder_fields(id), keyword_list(base .. 'f:' .. id)}
