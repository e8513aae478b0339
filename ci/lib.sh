# Shell functions that the scripts of ci/ share; sourced, never run.

# need_packages NAME...: installs the Debian packages that are missing. nodejs, npm and golang-go count as there when
# their program is on the PATH, whatever brought it. Never removes a package: stops and says which would go.
need_packages() {
  local missing=() name
  for name in "$@"; do
    case $name in nodejs) command -v node >/dev/null && continue ;; npm) command -v npm >/dev/null && continue ;;
      golang-go) command -v go >/dev/null && continue ;; esac
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing: ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq >/dev/null
  local removed
  removed=$(apt-get install -s --no-install-recommends "${missing[@]}" | awk '/^Remv /{print $2}' | paste -sd' ')
  if [ -n "$removed" ]; then
    echo "these installed packages would have to be removed: $removed" >&2
    echo "nothing was changed; remove them yourself if you do not need them, then try again" >&2
    return 1
  fi
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
