-- Abandons a copy in progress. Returns the folder to reap; 0: it was already
-- abandoned, or published.
local id = staged_folder(copy)
if not id then return 0 end
doom_copy(copy)
return tonumber(id)
