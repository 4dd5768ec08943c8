-- For wrk: sends requests that were signed beforehand, one after the other, and writes what came of it as one
-- line of JSON. Argument: the file that bench/signing.py wrote, each request behind its length and a line end.

local signed = {}
local at = 0

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   local length = file:read("*n")
   while length do
      file:read(1)
      signed[#signed + 1] = file:read(length)
      length = file:read("*n")
   end
   file:close()
end

function request()
   at = at % #signed + 1
   return signed[at]
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "refused": %d, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
      summary.requests, summary.duration / 1e6, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
