# The common functions of the scripts in this folder: they fetch and run Apache Kafka, and find and stop a server. The scripts source this file.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() {
    printf 'scripts/kafka/%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# need PROGRAM WHY
need() {
    command -v "$1" >/dev/null || die "$1 is missing: $2"
}

# taken HOST PORT: succeeds if a program listens there.
taken() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# is_ours PIDFILE WORDS: succeeds if the process of the file has these words in its command line. After a reboot the pid may belong to another.
is_ours() {
    [ -s "$1" ] && ps -o command= -p "$(cat "$1")" 2>/dev/null | grep -qF -- "$2"
}

# end_in_order PIDFILE WORDS: sends SIGTERM, after 20 s SIGKILL, and returns when the process is gone.
end_in_order() {
    local deadline=$((SECONDS + 20))
    kill "$(cat "$1")"
    while is_ours "$1" "$2"; do
        if [ $SECONDS -ge $deadline ]; then
            echo 'it does not stop on SIGTERM: killing it' >&2
            kill -9 "$(cat "$1")" || true
        fi
        sleep 0.1
    done
}

# Fetches the broker if it is not there yet, and sets `lib` to the folder of its jars. KAFKA_VERSION asks for another version than the pinned one.
fetch_jars() {
    local pom=$root/scripts/kafka/pom.xml cache=$root/.work/kafka version=${KAFKA_VERSION:-} temporary
    # The name has a checksum of the pinned versions, so that a changed version is fetched.
    lib=$cache/lib-$(cksum <"$pom" | cut -d' ' -f1)${version:+-$version}
    [ ! -d "$lib" ] || return 0
    need mvn 'Apache Maven fetches the broker'
    echo 'fetching Apache Kafka from Maven Central ...' >&2
    mkdir -p "$cache"
    temporary=$(mktemp -d "$cache/fetch.XXXXXX")
    # Older versions bring a binding of slf4j that would win over the one of the list, and without its configuration nothing would be logged.
    mvn -q -B -f "$pom" ${version:+-Dkafka.version="$version"} dependency:copy-dependencies -DexcludeArtifactIds=slf4j-reload4j -DoutputDirectory="$temporary" >&2 || {
        rm -rf "$temporary"
        die 'Maven could not fetch the broker (see above)'
    }
    # The folder is renamed only when it is complete, so that an interrupted download is never used.
    mv "$temporary" "$lib" 2>/dev/null || rm -rf "$temporary"
}

# kafka_tool CLASS ...: runs one of Kafka's own tools.
kafka_tool() {
    local class=$1
    shift
    # Not all tools are in this package.
    [[ $class == *.* ]] || class=org.apache.kafka.tools.$class
    java -Xmx128m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$lib/*" "$class" "$@"
}

# start_kafka NICENESS FOLDER LOG [JAVA_OPTION ...]: starts a broker with the server.properties of the folder, and writes the folder's pid file.
start_kafka() {
    local niceness=$1 folder=$2 log=$3
    shift 3
    # Job control gives the broker its own process group, so that Ctrl-C in the terminal ends the test and not the broker.
    set -m
    # Below the level of warnings, only the line with "started" is needed.
    nice -n "$niceness" nohup java "-Xmx${KAFKA_HEAP:-256m}" -XX:+UseSerialGC "$@" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -cp "$lib/*:$folder/classes" kafka.Kafka "$folder/server.properties" </dev/null >>"$log" 2>&1 &
    echo $! >"$folder/pid"
    set +m
}

# runs_kafka FOLDER: succeeds if the broker of the folder runs.
runs_kafka() {
    is_ours "$1/pid" "kafka.Kafka $1/server.properties"
}

# wait_for_kafka FOLDER LOG SECONDS: returns 0 when the broker serves, 1 when it ended, 2 when it is late.
wait_for_kafka() {
    local deadline=$((SECONDS + $3))
    until grep -qs 'Kafka Server started' "$2"; do
        runs_kafka "$1" || return 1
        [ $SECONDS -lt $deadline ] || return 2
        sleep 0.1
    done
}
