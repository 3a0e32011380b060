// Requests about names: lookup, and what makes, moves and removes entries.
internal import FuseBridge
internal import VirtualFS

@implementation @c(fb_on_lookup)
func fuseLookup(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request), server.replayLookup(request, unsafe Spot(parent, text)) { return }
  do throws(VFSError) {
    let name = try unsafe name(text)
    if server.volumes.isList(parent) {
      guard let id = server.volumes.volume(named: name.bytes) else { throw VFSError(.notFound) }
      // A volume's root is known to the kernel while the volume is mounted: it needs no count of lookups.
      let place = try server.volumes.place(of: VolumeTable.node(.root, of: id))
      let attributes = try place.fileSystem.attributes(of: .root)
      _ = request.reply(entry: place.wire(attributes), timeout: server.timeout, nameTimeout: server.timeout)
      return
    }
    let place = try server.volumes.place(of: parent)
    server.answer(request, try place.fileSystem.lookup(name, in: place.inode), of: place)
  } catch {
    if error.code == .notFound && server.timeout > 0 {
      request.replyAbsent(timeout: server.stage.needsLookup(in: parent) ? 0 : server.timeout)
    } else {
      request.fail(error)
    }
  }
}

@implementation @c(fb_on_forget)
func fuseForget(_ context: UnsafeMutableRawPointer, _ forgotten: UnsafePointer<fb_forgotten>, _ count: Int) {
  let server = unsafe Server.of(context)
  for index in 0..<count {
    let element = unsafe forgotten[index]
    // A removed volume has nothing left to forget, and roots are never forgotten.
    guard let place = try? server.volumes.place(of: element.inode), place.inode != .root else { continue }
    place.fileSystem.forget(place.inode, lookups: element.lookups)
  }
}

@implementation @c(fb_on_make_node)
func fuseMakeNode(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>,
  _ mode: UInt32, _ major: UInt32, _ minor: UInt32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayMake(request, unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    guard let kind = FileKind(mode: mode, major: major, minor: minor) else { throw VFSError(.invalidArgument) }
    let name = try unsafe name(text)
    place.fileSystem.makeNode(
      name, in: place.inode, kind: kind, mode: UInt16(mode & 0o7777), by: request.caller,
      reply: server.replyEntry(to: request, of: place))
  }
}

@implementation @c(fb_on_make_directory)
func fuseMakeDirectory(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>,
  _ mode: UInt32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayMake(request, unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    let name = try unsafe name(text)
    place.fileSystem.makeDirectory(
      name, in: place.inode, mode: UInt16(mode & 0o7777), by: request.caller,
      reply: server.replyEntry(to: request, of: place))
  }
}

@implementation @c(fb_on_symbolic_link)
func fuseSymbolicLink(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ target: UnsafePointer<CChar>, _ parent: UInt64,
  _ text: UnsafePointer<CChar>
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayMake(request, unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    let name = try unsafe name(text)
    place.fileSystem.makeSymbolicLink(
      name, in: place.inode, target: unsafe [UInt8](bytes(target)), by: request.caller,
      reply: server.replyEntry(to: request, of: place))
  }
}

@implementation @c(fb_on_link)
func fuseLink(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ parent: UInt64,
  _ text: UnsafePointer<CChar>
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: parent) { place throws(VFSError) in
    let linked = try server.volumes.place(of: inode)
    guard linked.prefix == place.prefix else { throw VFSError(.crossDevice) }
    let name = try unsafe name(text)
    place.fileSystem.makeLink(
      name, in: place.inode, to: linked.inode, by: request.caller,
      reply: server.replyEntry(to: request, of: place))
  }
}

@implementation @c(fb_on_unlink)
func fuseUnlink(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayRemoval(request, from: unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    let name = try unsafe name(text)
    place.fileSystem.removeFile(name, in: place.inode, by: request.caller, reply: server.reply(to: request))
  }
}

@implementation @c(fb_on_remove_directory)
func fuseRemoveDirectory(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayRemoval(request, from: unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    let name = try unsafe name(text)
    place.fileSystem.removeDirectory(name, in: place.inode, by: request.caller, reply: server.reply(to: request))
  }
}

@implementation @c(fb_on_rename)
func fuseRename(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>,
  _ newParent: UInt64, _ newText: UnsafePointer<CChar>, _ flags: UInt32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) {
    return server.replayMove(request, from: unsafe Spot(parent, text), to: unsafe Spot(newParent, newText))
  }
  server.serve(request, at: parent) { place throws(VFSError) in
    let target = try server.volumes.place(of: newParent)
    guard target.prefix == place.prefix else { throw VFSError(.crossDevice) }
    let renameFlags: RenameFlags
    switch flags {  // renameat2(2); RENAME_WHITEOUT is for overlay file systems
    case 0: renameFlags = .none
    case 1: renameFlags = .noReplace
    case 2: renameFlags = .exchange
    default: throw VFSError(.invalidArgument)
    }
    let (name, newName) = try unsafe (name(text), name(newText))
    place.fileSystem.rename(
      name, in: place.inode, to: newName, in: target.inode, flags: renameFlags, by: request.caller,
      reply: server.reply(to: request))
  }
}
