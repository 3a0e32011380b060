import Glibc
import PeerSync

/// The addresses of this machine that others may reach it by.
enum LocalAddresses {
  /// Where others find what listens at `address`: itself, or for all addresses each that an interface has; nowhere before it has a port.
  static func reachable(_ address: PeerAddress) -> [PeerAddress] {
    // Port 0 asks for any, and nobody can be told of it.
    guard address.port != 0 else { return [] }
    guard address.host == "0.0.0.0" || address.host == "::" else { return [address] }
    let found = all.compactMap { try? PeerAddress(host: $0, port: address.port) }
    return found.isEmpty ? [address] : Array(found.prefix(PairingCode.addressLimit))
  }

  /// IPv4 addresses of interfaces that are up, the loopback's only where there is no other.
  private static var all: [String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return [] }
    defer { unsafe freeifaddrs(list) }
    var (addresses, loopback): ([String], [String]) = ([], [])
    var next = unsafe list
    while let entry = unsafe next {
      unsafe next = entry.pointee.ifa_next
      guard let address = unsafe entry.pointee.ifa_addr, unsafe address.pointee.sa_family == AF_INET,
        unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0
      else { continue }
      var text = [CChar](repeating: 0, count: 64)
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      guard unsafe getnameinfo(address, size, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
        continue
      }
      let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if unsafe entry.pointee.ifa_flags & UInt32(IFF_LOOPBACK) != 0 {
        loopback.append(host)
      } else {
        addresses.append(host)
      }
    }
    return addresses.isEmpty ? loopback : addresses
  }
}
