-- Tests the return value of fork() three ways: as forktrace's record has it, as the caller of libc's fork() sees it when
-- it returns, and as the program itself printed it. For the programs of this folder that fork and print "expect fork":
--
--     forktrace -s targets/check_fork.lua build/targets/x86_64/test_fork
--     forktrace -g -s targets/check_fork.lua build/targets/i386/test_fork

local records = {}   -- as they came
local returned = {}  -- the child's pid -> what fork() returned in {parent = ..., child = ...}
local printed = {}   -- the same, as the program printed it

local function of_child(list, pid)
	list[pid] = list[pid] or {}
	return list[pid]
end

on_fork(function(record)
	table.insert(records, record)
end)

-- Behind the call, in both processes: in libc's caller, whichever registers and instructions there are.
at_return('fork', function(task, value)
	if value == 0 then
		of_child(returned, task.pid).child = value
	else
		of_child(returned, value).parent = value
	end
end)

on_output(function(line)
	local child, in_parent, in_child = line:match('^expect fork .*child=(%d+) parent_ret=(%-?%d+) child_ret=(%-?%d+)')
	if child then
		printed[math.tointeger(child)] = {parent = math.tointeger(in_parent), child = math.tointeger(in_child)}
	end
end)

on_end(function()
	ok(#records > 0, 'the program forks')
	for _, record in ipairs(records) do
		local parent, child = record.parent, record.child
		local name = ('fork %d -> %d'):format(parent.pid, child.pid)

		test(name .. ': the record', function()
			is(parent.ret, child.pid, "the parent gets the child's pid")
			is(child.ret, 0, 'the child gets 0')
			ok(parent.ret_from and child.ret_from, 'both were observed')
		end)
		is(returned[child.pid], {parent = child.pid, child = 0}, name .. ': what returns to the caller of fork()')
		is(printed[child.pid], {parent = child.pid, child = 0}, name .. ': what the program printed')
	end
end)
