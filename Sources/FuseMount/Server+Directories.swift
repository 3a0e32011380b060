// Requests about directories.
internal import FuseBridge
internal import VirtualFS

@implementation @c(fb_on_open_directory)
func fuseOpenDirectory(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64) {
  let request = unsafe Request(request)
  if unsafe Server.of(context).cachesListings {
    // The kernel then asks no more, and keeps listings until an entry of the directory changes.
    request.decline()
  } else {
    _ = request.reply(handle: 0, flags: 0)
  }
}

@implementation @c(fb_on_read_directory)
func fuseReadDirectory(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ offset: UInt64, _ size: Int,
  _ plus: Int32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  unsafe withUnsafeTemporaryAllocation(byteCount: min(size, 128 << 10), alignment: 8) { room in
    var listing = unsafe Listing(request: request, room: room, plus: plus != 0, timeout: server.timeout)
    do throws(VFSError) {
      if server.volumes.isList(inode) {
        server.listVolumes(from: offset, into: &listing)
      } else {
        let place = try server.volumes.place(of: inode)
        try place.fileSystem.readDirectory(place.inode, from: offset, plus: plus != 0) { entry in
          var attributes = fb_attributes(kind: entry.kind, mode: 0)
          attributes.inode = place.node(entry.inode)
          attributes.number = entry.number
          return listing.add(
            entry.name, entry.attributes.map(place.wire) ?? attributes, counts: entry.attributes != nil,
            next: entry.nextOffset)
        }
      }
      unsafe request.reply(listing.bytes)
    } catch {
      request.fail(error)
    }
  }
}

@implementation @c(fb_on_synchronize_directory)
func fuseSynchronizeDirectory(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.volumes.isList(inode) { return request.succeed() }
  server.serve(request, at: inode) { place throws(VFSError) in
    place.fileSystem.synchronizeDirectory(place.inode, reply: server.reply(to: request))
  }
}

extension Server {
  /// Lists the volumes; an entry's offset is 1 and 2 for "." and "..", and then 2 + its volume's number.
  fileprivate func listVolumes(from offset: UInt64, into listing: inout Listing) {
    let attributes = volumes.listAttributes
    for (index, name) in [[UInt8](".".utf8), [UInt8]("..".utf8)].enumerated() where offset <= index {
      guard listing.add(name, attributes, counts: false, next: UInt64(index) + 1) else { return }
    }
    for (id, volume) in volumes.all where offset < 2 + id.number {
      guard let root = try? volume.fileSystem.attributes(of: .root) else { continue }
      let prefix = VolumeTable.node(InodeID(rawValue: 0), of: id)
      let place = Place(prefix: prefix, fileSystem: volume.fileSystem, inode: .root)
      guard listing.add(volume.name, place.wire(root), counts: true, next: 2 + id.number) else { return }
    }
  }
}

/// An answer to READDIR or READDIRPLUS that is being filled.
@safe
private struct Listing {
  private let request: Request
  // SAFETY: lent by the handler, which outlives this value.
  private let room: UnsafeMutableRawBufferPointer
  private let plus: Bool
  private let timeout: Double
  private var used = 0

  init(request: Request, room: UnsafeMutableRawBufferPointer, plus: Bool, timeout: Double) {
    self.request = request
    unsafe self.room = room
    self.plus = plus
    self.timeout = timeout
  }

  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: room[..<used]) }

  /// Returns whether there was room; with `counts` the kernel counts a lookup if so (READDIRPLUS only).
  mutating func add(_ name: [UInt8], _ attributes: fb_attributes, counts: Bool, next: UInt64) -> Bool {
    let left = unsafe UnsafeMutableRawBufferPointer(rebasing: room[used...])
    let size =
      plus
      ? unsafe request.addWithAttributes(name, attributes, counts: counts, timeout: timeout, next: next, to: left)
      : unsafe request.add(name, attributes, next: next, to: left)
    used += size
    return size > 0
  }
}
