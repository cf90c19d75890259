-- Gives up a copy that is being made. Returns the folder to be reaped; 0: it was
-- given up before, or published.
local id = staged_folder(copy)
if not id then return 0 end
doom_copy(copy)
return tonumber(id)
