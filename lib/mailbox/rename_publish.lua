-- The staged names take the place of the account's, in this one step. If any folder was
-- made, deleted or renamed since they were begun, they are given up.
local hash, next_names = names_of(class), base .. 'rename:' .. token
local tree_now = call('HGET', meta, 'tree') or ''
-- The number is looked at for those who change names and know nothing of the tree.
if tree_now ~= tree or call('HLEN', next_names) ~= call('HLEN', hash) or call('HEXISTS', meta, 'renaming') == 1 then
  call('UNLINK', next_names)
  return answer{changed = 1}
end
local spent = next_names .. ':old'
call('RENAME', hash, spent)
call('RENAME', next_names, hash)
call('PERSIST', hash)
call('UNLINK', spent)
local modseq = next_modseq()
create_upper(to, class, modseq)
call('HSET', meta, 'renaming', token, 'renaming_class', class, 'renaming_from', from, 'renaming_to', to)
note_rename(id, modseq)
return answer{changed = 0}
