-- Given to wrk by -s: prints one line of JSON that bench/load/wrk.ts reads. The word "post" after the URL: POSTs.
function init(words)
  if words[1] == "post" then
    wrk.method = "POST"
    wrk.body = string.rep("nodemesh ", 11) .. "\n"
    wrk.headers["Content-Type"] = "text/plain"
  end
end

function done(summary)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"micros":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
