-- One 28x28 PNG per request, for wrk; "multipart" as the last argument sends it as a form:
--   wrk -t1 -c16 -d5 -s benchmarks/classify.lua --latency 'http://127.0.0.1:8000/v1/models/mnist/classify' -- raw
-- `?&` behind the URL keeps a request out of the fast lane.
function init(arguments)
  local file = io.open("docs/samples/seven.png", "rb")
  local picture = file:read("*a")
  file:close()
  wrk.method = "POST"
  if arguments[1] == "multipart" then
    wrk.headers["Content-Type"] = "multipart/form-data; boundary=limit"
    wrk.body = '--limit\r\nContent-Disposition: form-data; name="file"; filename="seven.png"\r\n'
      .. "Content-Type: image/png\r\n\r\n" .. picture .. "\r\n--limit--\r\n"
  else
    wrk.headers["Content-Type"] = "image/png"
    wrk.body = picture
  end
end
