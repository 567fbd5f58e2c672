# shellcheck shell=bash
# What --help says.

# help [SUBCOMMAND]
help() {
    case ${1:-} in
        demo) cat <<'TEXT' ;;
deploy/local demo [OPTIONS]
Sets everything up, builds, starts Kafka and PostgreSQL if none are given, and runs `holdfast demo`: a flash sale and
orders of several lines, with a processor and the coordinator killed in the middle, or with --scenario day a day in a
shop, checked from outside at the end. While the sale warms up it looks for the rate that the machine carries, and it
sells at half of that; --rate fixes the rate.
OPTIONS go to it: --scenario sale|day, --skus N, --rate RESERVATIONS_PER_SECOND, --seconds N, --warm-up SECONDS,
--order-rate N, --seed N; all are told by `holdfast demo --help`. Its topics are named demo.stock.commands and so on.
Exit code: that of the demo, 0 if every check passed.
TEXT
        chaos) cat <<'TEXT' ;;
deploy/local chaos [--list] [--only NAME,...] [--rounds N] [--short] [--seed N]
Sets everything up, builds, and runs `holdfast chaos`: faults on Kafka and PostgreSQL servers of its own, under
load: roles, brokers and PostgreSQL killed, a processor frozen, networks cut, disks full, clocks wrong.
--list tells them. --short does a few rounds of each, in minutes; else all of them take about an hour.
--seed makes the choice of victims the same again. More: docs/chaos.md.
The last thing that it prints is a table of the times to recover. Exit code 0 if all recovered and the books are
right. What cannot be tried here is skipped, with the reason; with CI set that is a failure.
TEXT
        bench) cat <<'TEXT' ;;
deploy/local bench [--quick] [--no-peers] [OPTIONS]
Sets everything up, builds, and measures how fast Holdfast is, beside a bare copy of records, Kafka Streams,
PostgreSQL and Valkey under the same loads; then the ledger into PostgreSQL beside a bare COPY, the restore of a
partition beside a bare consumer, and many reservations that come due at once. Prints tables of Markdown, writes the
figures and a picture to .local/bench/. --quick takes a few minutes, else it is an hour or two. --no-peers leaves
PostgreSQL and Valkey as peers out.
OPTIONS go to `holdfast bench`: --parts throughput,latency,sink,restore,expiry, --rounds N, --commands N, --loads
hot,even,..., --rates N,..., --contestants holdfast,copy,streams, --partitions N; all are told by `holdfast bench
--help`. More: docs/benchmarks.md.
TEXT
        scale) cat <<'TEXT' ;;
deploy/local scale [--quick] [--json] [OPTIONS]
Sets everything up, builds, starts Kafka, and measures one, two and four processors: with all cores for everyone, and
with the broker on half of the cores and the processors on the others. Tells the processor time of a command of the
broker and of the processors, what two machines would give, and what the model of `deploy/local size` makes of the same.
It ends by itself, after about six minutes, with --quick after about two. --json prints a line of JSON for each
figure, and nothing else. The figures: .local/scale/figures.jsonl; the service times: .local/scale/times.json.
OPTIONS go to `holdfast scale`: --partitions N, --commands N, --rounds N; all are told by `holdfast scale --help`.
More: docs/sizing.md.
TEXT
        size) cat <<'TEXT' ;;
deploy/local size [--part rates|partitions|hot|leases] [OPTIONS]
Builds, and simulates how large a system must be for a rate, with the times of deploy/bench/scale.json or of
--times FILE. OPTIONS go to `holdfast size`: --rates N,..., --cores N, --commit-interval-ms N; all are told by `holdfast
size --help`. It needs no servers. More: docs/sizing.md.
TEXT
        test) cat <<'TEXT' ;;
deploy/local test [--only PATTERN]
Sets everything up, builds, starts Kafka and PostgreSQL if none are given, and runs all tests.
PATTERN is a regular expression over TARGET.SUITE/TEST.
The last line is `N passed, N failed, N skipped`. Exit code 0 if some ran and none failed.
Without Kafka or PostgreSQL their tests are skipped, with the reason; with CI set that is a failure.
TEXT
        mutants) cat <<'TEXT' ;;
deploy/local mutants [--list | --only NAME | --sample N]
Makes the wrong versions of the core and of orders that deploy/mutants.txt lists, one at a time in a copy of the
sources, and runs their tests on each: every one must be caught. --sample takes N of them, others with each commit.
The last line is `N mutants, N caught, N survived`. Exit code 0 if none survived.
A mutant whose text is not there any more, or that does not compile, is a failure.
TEXT
        fuzz) cat <<'TEXT' ;;
deploy/local fuzz [--count N] [--seed N]
Gives N (default 10000000) mutated records to the decoder, under the address sanitizer. A crash, a rejection
without a name, or a command that does not survive writing and reading again is a failure.
TEXT
        simulate) cat <<'TEXT' ;;
deploy/local simulate [--seeds N] [--first-seed K] | --seed K | --mutants | --mutant NAME | --list-mutants
Runs the production code of processors, delay service, relay and sink over a model of Kafka and PostgreSQL, with
seeded crashes, pauses, lost answers and the like, and checks what it leaves; N (default 1000) seeds from K on.
--seed K tells all that happens in one, and shrinks the faults of one that fails.
--mutants runs wrong versions of the protocol, each of which must be caught. More: docs/simulation.md.
Exit code 0 if nothing is wrong, or if all mutants are caught.
TEXT
        micro) cat <<'TEXT' ;;
deploy/local micro [--check] [OPTIONS]
Measures what a command costs without Kafka: nanoseconds, calls of malloc, bytes of the heap.
--check compares with deploy/bench/micro.json, instructions (by callgrind) too; exit code 1 if something is more than
5 % over its figure.
OPTIONS are those of holdfast-micro. More: docs/benchmarks-micro.md.
TEXT
        build) cat <<'TEXT' ;;
deploy/local build
Sets everything up and builds program and tests (release, warnings are errors).
The program is .build/release/holdfast; the whole log is .local/log/build.log.
TEXT
        shell) cat <<'TEXT' ;;
deploy/local shell [-c COMMAND]
Sets everything up and opens a shell in the reference environment, or runs COMMAND in it.
KAFKA_BOOTSTRAP and DATABASE_URL name the servers of `deploy/local up`, if that runs;
the folder of the release build is on the PATH.
TEXT
        format) cat <<'TEXT' ;;
deploy/local format [--check]
Formats the Swift sources; with --check changes nothing and fails if something would change.
TEXT
        up) cat <<'TEXT' ;;
deploy/local up
Sets everything up, and starts a Kafka and a PostgreSQL that run until `deploy/local down`.
Their data is in .local/up/ and is there again at the next `up`.
TEXT
        down) cat <<'TEXT' ;;
deploy/local down [--wipe]
Stops what `deploy/local up` started; with --wipe removes its data too.
TEXT
        status) cat <<'TEXT' ;;
deploy/local status
Tells what is set up, which servers run, and how to connect to them.
TEXT
        '' | help | --help | -h) cat <<'TEXT' ;;
deploy/local SUBCOMMAND [OPTIONS]

  demo     everything from set-up to a flash sale or a day in a shop
  test     everything from set-up to the result of all tests
  chaos    faults on servers of its own, each with its time to recover
  bench    how fast it is, beside a bare copy and peers that do the same job
  scale    one, two and four processors, and who takes how much of the cores
  size     how large a system must be for a rate, by simulation
  micro    what a command costs, without Kafka
  mutants  wrong versions of core and orders, which the tests must catch
  fuzz     mutated records for the decoder
  simulate the production code in a world of faults, seed by seed
  build    build program and tests
  shell    a shell in the reference environment
  format   format the sources, or check their format
  up       Kafka and PostgreSQL that stay
  down     stop them
  status   what is set up and what runs

Each has --help. Variables: KAFKA_BOOTSTRAP and DATABASE_URL (servers of your own),
HOLDFAST_CACHE (default ~/.cache/holdfast), HOLDFAST_DEBIAN_MIRROR. More: docs/local.md.
TEXT
        *) fail "unknown subcommand $1." "See deploy/local --help." ;;
    esac
}
