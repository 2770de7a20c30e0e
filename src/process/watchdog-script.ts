import { MARKER } from './marker.ts';

/**
 * What the watchdog runs. It reads one line for each change: `+ ID GROUP`, `@ ID SHELL-TEXT` for a container, `- ID`.
 * It ignores the signals of the terminal, since it has to outlive us. Any POSIX shell runs it; where `grep` is missing, or
 * stops at a zero byte, the shell itself looks through the environments.
 */
export const WATCHDOG_SCRIPT = String.raw`
trap '' HUP INT TERM
newline='
'
ids=
while read -r change id rest; do
  case $change in
    +)
      ids="$ids $id"
      eval "group_$id=\$rest"
      ;;
    @) eval "container_$id=\$rest" ;;
    -)
      left=
      for one in $ids; do [ "$one" = "$id" ] || left="$left $one"; done
      ids=$left
      unset "group_$id" "container_$id"
      ;;
  esac
done
[ -n "$ids" ] || exit 0

case $(printf 'a\000b\n' | grep -l b) in
  '') has_grep= ;;
  *) has_grep=yes ;;
esac

# Pids of the processes that have one of the ids in their environment.
marked() {
  [ -d /proc/$$ ] || return
  if [ -n "$has_grep" ]; then
    set --
    for one in $ids; do set -- "$@" -e "${MARKER}=[0-9a-z:]*$one"; done
    for file in $(grep -ls "$@" /proc/[0-9]*/environ); do
      pid=${'$'}{file#/proc/}
      echo "${'$'}{pid%/environ}"
    done
    return
  fi
  for directory in /proc/[0-9]*; do
    # read drops zero bytes.
    text=
    while read -r line || [ -n "$line" ]; do text=$text$line; done < "$directory/environ"
    for one in $ids; do
      case $text in *"${MARKER}="*"$one"*) echo "${'$'}{directory#/proc/}" ;; esac
    done
  done
}

signal() {
  for one in $ids; do
    eval "group=\$group_$one"
    kill -s "$1" -- "-$group"
  done
  for pid in $2; do kill -s "$1" "$pid"; done
}

signal TERM "$(marked)"
sleep 1
pids=$(marked)
signal KILL "$pids"
rounds=0
while [ -n "$pids" ] && [ "$rounds" -lt 20 ]; do
  sleep 0.1 || sleep 1
  pids=$(marked)
  for pid in $pids; do kill -s KILL "$pid"; done
  rounds=$((rounds + 1))
done

end_container() (
  eval "$1"
  read -r container < "$cidfile"
  [ -z "$directory" ] || rm -rf "$directory"
  case $container in
    '' | -* | *[!A-Za-z0-9_.-]*) exit 0 ;;
  esac
  exec "$@" "$container"
)

jobs=
for one in $ids; do
  eval "text=\$container_$one"
  [ -n "$text" ] || continue
  end_container "$text" &
  jobs="$jobs $!"
done
seconds=0
while [ -n "$jobs" ] && [ "$seconds" -lt 10 ]; do
  sleep 1
  seconds=$((seconds + 1))
  left=
  for job in $jobs; do kill -0 "$job" && left="$left $job"; done
  jobs=$left
done
for job in $jobs; do kill -s KILL "$job"; done
`;
