"""Who runs what when: the relay, its threads, and the connections it polls.

- `relay`: one leader thread polls every socket of the process and runs handlers in place;
- `watch`: notices a handler that keeps the leader, and has a deputy take the lead;
- `bench`: the idle threads that deputies and slow handlers run on;
- `timers`: deadlines of connections, and calls at a time;
- `channel`: what the relay polls, and how a turn on it goes;
- `listener`, `connection`, `websocket`: the server's side of a socket;
- `requester`: the client's side;
- `coroutines`: the asyncio loop for `async def` handlers.
"""
