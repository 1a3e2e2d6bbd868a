-- POSTs the file that is named after `--`, as JSON, with each request.
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = "application/json"
  file:close()
  request = function() return prepared end
  prepared = wrk.format()
end
