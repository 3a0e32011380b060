// Requests about attributes: stat, chmod, chown, truncate, utimensat, readlink, statfs.
internal import FuseBridge
internal import VirtualFS

@implementation @c(fb_on_get_attributes)
func fuseGetAttributes(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.volumes.isList(inode) {
    request.reply(attributes: server.volumes.listAttributes, timeout: server.timeout)
    return
  }
  server.serve(request, at: inode) { place throws(VFSError) in
    if server.stage.isActor(of: request) { return try server.replayAttributes(request, of: place) }
    let attributes = try place.fileSystem.attributes(of: place.inode)
    request.reply(attributes: place.wire(attributes), timeout: server.timeout)
  }
}

@implementation @c(fb_on_set_attributes)
func fuseSetAttributes(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64,
  _ change: UnsafePointer<fb_attribute_change>, _ handle: UnsafePointer<UInt64>?
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: inode) { place throws(VFSError) in
    if server.stage.isActor(of: request) { return try server.replayChange(request, of: place) }
    place.fileSystem.setAttributes(
      of: place.inode, unsafe AttributeChange(change.pointee),
      handle: unsafe handle.map { unsafe OpenFile(wire: $0.pointee).handle }, by: request.caller,
      reply: server.replyAttributes(to: request, of: place))
  }
}

extension AttributeChange {
  fileprivate init(_ wire: fb_attribute_change) {
    self.init()
    func isSet(_ bit: Int) -> Bool { wire.set & UInt32(bit) != 0 }
    if isSet(FB_SET_MODE) { mode = UInt16(wire.mode & 0o7777) }
    if isSet(FB_SET_OWNER) { owner = wire.owner }
    if isSet(FB_SET_GROUP) { group = wire.group }
    if isSet(FB_SET_SIZE) { size = wire.size }
    if isSet(FB_SET_ACCESSED_NOW) {
      accessed = .now
    } else if isSet(FB_SET_ACCESSED) {
      accessed = .at(Timestamp(seconds: wire.accessed, nanoseconds: wire.accessed_ns))
    }
    if isSet(FB_SET_MODIFIED_NOW) {
      modified = .now
    } else if isSet(FB_SET_MODIFIED) {
      modified = .at(Timestamp(seconds: wire.modified, nanoseconds: wire.modified_ns))
    }
  }
}

@implementation @c(fb_on_read_link)
func fuseReadLink(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    request.reply(target: try place.fileSystem.readLink(place.inode))
  }
}

@implementation @c(fb_on_statistics)
func fuseStatistics(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.volumes.isList(inode) {
    // The volumes mostly share a disk: the first speaks for all.
    return request.reply(server.volumes.fileSystems.first?.statistics())
  }
  server.serve(request, at: inode) { place throws(VFSError) in request.reply(place.fileSystem.statistics()) }
}
