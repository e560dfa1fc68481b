-- For wrk: takes turns through a file of paths and a file of access tokens (one a line each).
--   wrk … -s load.lua URL -- PATHS TOKENS START
-- START is how many requests were made before, so that the next load goes on where the last one ended.
-- Every request is written out before the start, so that sending one costs the same with 1 token and with 100,000.

local requests, at = {}, 0

local function lines(file)
  local all = {}
  for line in io.lines(file) do all[#all + 1] = line end
  return all
end

function init(args)
  at = tonumber(args[3])
  local paths, tokens = lines(args[1]), lines(args[2])
  for i = 1, math.max(#paths, #tokens) do
    local headers = {
      ["Host"] = wrk.headers["Host"],
      ["User-Agent"] = "wrk",
      ["Accept"] = "application/json",
      ["Authorization"] = "Bearer " .. tokens[(i - 1) % #tokens + 1],
    }
    requests[i] = wrk.format("GET", paths[(i - 1) % #paths + 1], headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
