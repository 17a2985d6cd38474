-- Logins of different users, one after the other; wrk's script.
local users = tonumber(os.getenv("BENCH_USERS"))
local password = os.getenv("BENCH_PASSWORD")
local number = 0

request = function()
  number = number + 1
  local body = '{"username":"bench' .. number % users .. '","password":"' .. password .. '"}'
  return wrk.format("POST", "/api/v1/auth/login", {["Content-Type"] = "application/json"}, body)
end

local threads = {}
setup = function(thread) table.insert(threads, thread) end
init = function() ok, refused = 0, 0 end
response = function(status) if status == 200 then ok = ok + 1 else refused = refused + 1 end end
done = function()
  local sum, no = 0, 0
  for _, thread in ipairs(threads) do
    sum, no = sum + thread:get("ok"), no + thread:get("refused")
  end
  io.write("logins: " .. sum .. " refused: " .. no .. "\n")
end
