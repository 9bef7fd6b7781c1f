package cli

// lesson is what the command without arguments prints.
const lesson = `ephemera keeps the last events and signals in memory, answers questions about them, and comes back after a restart.

Start a server that fills itself with a week of real earthquakes:

    ephemera demo

or an empty one, in another terminal:

    ephemera serve

Then append, look, and follow:

    ephemera append orders/eu '{"amount": 12.5}'
    ephemera read orders/eu
    ephemera tail orders/eu
    ephemera raise order.completed --key 17
    ephemera sense 'order.*' --since 5m

or with any HTTP client:

    curl -d '{"amount": 12.5}' -H 'Content-Type: application/json' http://127.0.0.1:7070/streams/orders/eu
    curl http://127.0.0.1:7070/streams/orders/eu

What is in the files of a server:

    ephemera snapshot ls
    ephemera stats

ephemera --help lists all commands, ephemera COMMAND --help explains one and shows examples.
`
