-- The requests that wrk sends: BODY (a file) with CONTENT_TYPE, as fast as answers come. By hand, from the repository's root:
--   wrk -t1 -c16 -d5 -s benchmarks/classify.lua http://127.0.0.1:8000/v1/models/mnist/classify -- docs/samples/seven.png image/png
-- The last line is what happened as JSON, for benchmarks/closed_loop.py.
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = arguments[2]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "most": %d, '
      .. '"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
