// Requests about extended attributes; xattr(7).
internal import FuseBridge
internal import VirtualFS

@implementation @c(fb_on_set_attribute)
func fuseSetAttribute(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ name: UnsafePointer<CChar>,
  _ value: UnsafeRawPointer, _ size: Int, _ flags: Int32
) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    let mode: AttributeSetMode
    switch flags {  // setxattr(2)
    case 0: mode = .any
    case 1: mode = .create
    case 2: mode = .replace
    default: throw VFSError(.invalidArgument)
    }
    try place.fileSystem.setAttribute(
      unsafe [UInt8](bytes(name)), of: place.inode,
      to: unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: size)), mode: mode, by: request.caller)
    request.succeed()
  }
}

@implementation @c(fb_on_get_attribute)
func fuseGetAttribute(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ name: UnsafePointer<CChar>,
  _ room: Int
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if inode == 1, unsafe bytes(name).elementsEqual(Server.storeAttribute.utf8) { return server.storeAll(request, room) }
  if server.volumes.isList(inode) { return request.fail(VFSError(.noAttribute)) }
  server.serve(request, at: inode) { place throws(VFSError) in
    let value = try place.fileSystem.attribute(unsafe [UInt8](bytes(name)), of: place.inode)
    request.reply(attribute: value, room: room)
  }
}

@implementation @c(fb_on_list_attributes)
func fuseListAttributes(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ room: Int) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.volumes.isList(inode) { return request.reply(attribute: [], room: room) }
  server.serve(request, at: inode) { place throws(VFSError) in
    // Each name ends with a NUL.
    let names = try place.fileSystem.attributeNames(of: place.inode).flatMap { $0 + [UInt8(0)] }
    request.reply(attribute: names, room: room)
  }
}

@implementation @c(fb_on_remove_attribute)
func fuseRemoveAttribute(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ name: UnsafePointer<CChar>
) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    try place.fileSystem.removeAttribute(unsafe [UInt8](bytes(name)), of: place.inode, by: request.caller)
    request.succeed()
  }
}
