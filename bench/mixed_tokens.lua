-- Each request with the next token of a file; wrk's script.
local tokens = {}
for line in io.lines(os.getenv("BENCH_TOKENS")) do table.insert(tokens, line) end
local number = tonumber(os.getenv("BENCH_FIRST") or "0")

request = function()
  number = number % #tokens + 1
  return wrk.format("GET", nil, {["Authorization"] = "Bearer " .. tokens[number]})
end
