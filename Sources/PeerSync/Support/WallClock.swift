internal import Glibc

/// The time in seconds since 1970, for people; nothing is decided by it.
func wallClock() -> Int64 {
  var now = timespec()
  _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
  return Int64(now.tv_sec)
}
