-- One folder, by id or by name.
ensure_account()
id = id or call('HGET', base .. 'names', name)
if not id or not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
return answer{fields = folder_fields(id), keywords = keyword_list(base .. 'f:' .. id)}
