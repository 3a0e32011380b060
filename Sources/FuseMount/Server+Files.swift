// Requests about open files.
internal import FuseBridge
internal import Glibc
internal import VirtualFS

@implementation @c(fb_on_create)
func fuseCreate(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ parent: UInt64, _ text: UnsafePointer<CChar>,
  _ mode: UInt32, _ flags: Int32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayCreate(request, unsafe Spot(parent, text)) }
  server.serve(request, at: parent) { place throws(VFSError) in
    let options = OpenOptions(flags: flags)
    let (entry, handle) = try place.fileSystem.create(
      unsafe name(text), in: place.inode, mode: UInt16(mode & 0o7777), options: options,
      exclusive: flags & O_EXCL != 0, by: request.caller)
    let file = OpenFile(handle: handle, appends: options.append)
    // The new file is committed when it is closed, even if nothing is written: this flush is needed.
    let isTaken = request.reply(
      created: place.wire(entry.attributes), timeout: server.timeout, handle: file.wire,
      flags: server.openFlags(writes: true))
    if !isTaken {
      place.fileSystem.release(handle)
      place.fileSystem.forget(entry.attributes.inode, lookups: 1)
    }
  }
}

@implementation @c(fb_on_open)
func fuseOpen(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ flags: Int32) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  if server.stage.isActor(of: request) { return server.replayOpen(request, inode) }
  server.serve(request, at: inode) { place throws(VFSError) in
    let options = OpenOptions(flags: flags)
    place.fileSystem.open(
      place.inode, options: options, by: request.caller,
      reply: server.replyOpen(to: request, of: place, options: options))
  }
}

@implementation @c(fb_on_read)
func fuseRead(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64, _ offset: Int64,
  _ count: Int
) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    try unsafe place.fileSystem.read(OpenFile(wire: file).handle, at: offset, count: count) { unsafe request.reply($0) }
  }
}

@implementation @c(fb_on_write)
func fuseWrite(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64, _ offset: Int64,
  _ bytes: UnsafeRawPointer, _ count: Int, _ isWriteBack: Int32
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  let file = OpenFile(wire: file)
  server.serve(request, at: inode) { place throws(VFSError) in
    let bytes = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    let reply = server.replyCount(to: request)
    guard isWriteBack != 0 && file.appends else {
      unsafe place.fileSystem.write(file.handle, at: offset, bytes: bytes, reply: reply)
      return
    }
    // The kernel writes a mapping's pages through any handle; one that appends would move them to the end.
    var options = OpenOptions()
    options.write = true
    do throws(VFSError) {
      let own = try place.fileSystem.open(place.inode, options: options, by: request.caller)
      unsafe place.fileSystem.write(own, at: offset, bytes: bytes) { result in
        place.fileSystem.release(own)
        reply(result)
      }
    } catch {
      reply(.failure(error))
    }
  }
}

@implementation @c(fb_on_flush)
func fuseFlush(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: inode) { place throws(VFSError) in
    place.fileSystem.flush(OpenFile(wire: file).handle, reply: server.reply(to: request))
  }
}

@implementation @c(fb_on_release)
func fuseRelease(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    place.fileSystem.release(OpenFile(wire: file).handle)
    request.succeed()
  }
}

@implementation @c(fb_on_synchronize)
func fuseSynchronize(_ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: inode) { place throws(VFSError) in
    place.fileSystem.synchronize(OpenFile(wire: file).handle, reply: server.reply(to: request))
  }
}

@implementation @c(fb_on_allocate)
func fuseAllocate(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64, _ flags: Int32,
  _ offset: Int64, _ length: Int64
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: inode) { place throws(VFSError) in
    let mode: AllocationMode
    switch flags {  // linux/falloc.h: 1 keep size, 2 punch hole (only with 1), 16 zero range
    case 0: mode = .allocate(keepSize: false)
    case 1: mode = .allocate(keepSize: true)
    case 3: mode = .punchHole
    case 16: mode = .zeroRange(keepSize: false)
    case 17: mode = .zeroRange(keepSize: true)
    default: throw VFSError(.notSupported)
    }
    place.fileSystem.allocate(
      OpenFile(wire: file).handle, offset: offset, length: length, mode: mode, reply: server.reply(to: request))
  }
}

@implementation @c(fb_on_seek)
func fuseSeek(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64, _ offset: Int64,
  _ whence: Int32
) {
  let request = unsafe Request(request)
  unsafe Server.of(context).serve(request, at: inode) { place throws(VFSError) in
    let target: SeekTarget
    switch whence {  // lseek(2): the kernel keeps all but SEEK_DATA and SEEK_HOLE for itself
    case 3: target = .data
    case 4: target = .hole
    default: throw VFSError(.invalidArgument)
    }
    request.reply(offset: try place.fileSystem.seek(OpenFile(wire: file).handle, offset: offset, to: target))
  }
}

@implementation @c(fb_on_copy_range)
func fuseCopyRange(
  _ context: UnsafeMutableRawPointer, _ request: OpaquePointer, _ inode: UInt64, _ file: UInt64, _ offset: Int64,
  _ targetInode: UInt64, _ targetFile: UInt64, _ targetOffset: Int64, _ count: Int
) {
  let server = unsafe Server.of(context)
  let request = unsafe Request(request)
  server.serve(request, at: inode) { place throws(VFSError) in
    let target = try server.volumes.place(of: targetInode)
    guard target.prefix == place.prefix else { throw VFSError(.crossDevice) }
    place.fileSystem.copyRange(
      from: OpenFile(wire: file).handle, at: offset, to: OpenFile(wire: targetFile).handle, at: targetOffset,
      count: count, reply: server.replyCount(to: request))
  }
}
