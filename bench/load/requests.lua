-- For wrk: sends the lines of a file ("METHOD path body"), prints what bench/load reads.
-- Arguments: file, "once" or "again", then headers as "Name: value".
local lines, at, once = {}, 0, false

function init(arguments)
  once = arguments[2] == "once"
  for i = 3, #arguments do
    local name, value = arguments[i]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    lines[#lines + 1] = wrk.format(method, path, nil, body)
  end
end

function request()
  at = at + 1
  if at > #lines then
    if once then wrk.thread:stop() end
    at = 1
  end
  return lines[at]
end

function done(summary, latency, _)
  local seconds = summary.duration / 1e6
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.connect
  print(string.format(
    '{"requests": %d, "per_s": %.1f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}',
    summary.requests, summary.requests / seconds,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
