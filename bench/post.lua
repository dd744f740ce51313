-- wrk script: POST one comparison of about 1.4 kB, each with its own id.
-- arguments: PATH TOKEN MODE, MODE is `repeated` (2,000 prompts, 200 annotators) or `unique` (every text is new).
local path, mode, headers
local counter, seed = 0, 0
local filler = string.rep("the quick brown fox jumps over the lazy dog and ", 9)

function init(args)
  path, mode = args[1], args[3]
  headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. args[2] }
  math.randomseed(os.time() * 1000 + math.floor(os.clock() * 1e6))
  seed = math.random(1, 2 ^ 30)
end

function request()
  counter = counter + 1
  local prompt, salt
  if mode == "unique" then
    prompt, salt = seed .. "-" .. counter, seed .. "-" .. counter
  else
    prompt, salt = math.random(1, 2000), "same"
  end
  local body = string.format(
    '{"annotator":"w%04d","prompt":"Question %s: what of it? %s","a":{"text":"First answer %s to %s: %s","policy":"one"},' ..
    '"b":{"text":"Second answer %s to %s: %s","policy":"two"},"outcome":"%s"}',
    math.random(1, 200), prompt, filler, salt, prompt, filler, salt, prompt, filler, counter % 2 == 0 and "a" or "b")
  return wrk.format("POST", path, headers, body)
end

