// Requests of the replayer: what they ask for is done already. They change nothing, and no version comes of them.
internal import FuseBridge
internal import Glibc
internal import VirtualFS

extension OpenFile {
  /// What the replayer opens: no file system has such a handle, and releasing an unknown one is harmless.
  fileprivate static let replayed = OpenFile(handle: HandleID(rawValue: 1 << 62), appends: false)
}

extension Server {
  /// Pages in the cache outlive the replayer's open files, which have nothing to commit.
  private var replayedFlags: UInt32 { UInt32(FB_OPEN_KEEP_CACHE | FB_OPEN_NO_FLUSH) }

  /// Answers a lookup that is to find something else than there is; returns whether it did.
  func replayLookup(_ request: Request, _ spot: Spot) -> Bool {
    switch stage.look(at: spot) {
    case .present: return false
    case .absent: request.replyAbsent(timeout: 0)
    case .subject(let subject):
      do throws(VFSError) {
        let place = try volumes.place(of: subject.node)
        guard let entry = try? place.fileSystem.lookup(place.inode) else {
          // Forgotten: the kernel gets to know it once more. What it then forgets is unknown, and ignored.
          _ = request.reply(entry: ghost(subject), timeout: Server.ghostTimeout, nameTimeout: 0)
          return true
        }
        var attributes = place.wire(entry.attributes)
        // The kernel is about to take one away.
        attributes.links += 1
        if !request.reply(entry: attributes, timeout: timeout, nameTimeout: 0) {
          place.fileSystem.forget(place.inode, lookups: 1)
        }
      } catch {
        request.fail(error)
      }
    }
    return true
  }

  /// Seconds for which the kernel does not ask for the attributes of what is long forgotten.
  private static var ghostTimeout: Double { 60 }

  /// Attributes of an inode that is no more.
  private func ghost(_ subject: Subject) -> fb_attributes {
    var attributes = fb_attributes(kind: subject.kind, mode: 0o700)
    attributes.inode = subject.node
    attributes.number = VolumeTable.ghostNumber(of: subject.node)
    attributes.links = subject.kind == .directory ? 2 : 1
    (attributes.owner, attributes.group) = (getuid(), getgid())
    return attributes
  }

  /// The entry that the replayer makes, which is there already; counts a lookup.
  private func replayedEntry(at spot: Spot) throws(VFSError) -> (Entry, Place) {
    guard case .create(spot, let subject)? = stage.current?.replay else { throw VFSError(.notPermitted) }
    let place = try volumes.place(of: spot.directory)
    let entry = try place.fileSystem.lookup(try Name(spot.name), in: place.inode)
    guard place.node(entry.attributes.inode) == subject.node else {
      place.fileSystem.forget(entry.attributes.inode, lookups: 1)
      throw VFSError(.busy)
    }
    return (entry, place)
  }

  func replayMake(_ request: Request, _ spot: Spot) {
    do throws(VFSError) {
      let (entry, place) = try replayedEntry(at: spot)
      answer(request, entry, of: place)
    } catch {
      request.fail(error)
    }
  }

  func replayCreate(_ request: Request, _ spot: Spot) {
    do throws(VFSError) {
      let (entry, place) = try replayedEntry(at: spot)
      let isTaken = request.reply(
        created: place.wire(entry.attributes), timeout: timeout, handle: OpenFile.replayed.wire, flags: replayedFlags)
      if !isTaken { place.fileSystem.forget(entry.attributes.inode, lookups: 1) }
    } catch {
      request.fail(error)
    }
  }

  /// Lets the kernel take away or move what it was just told of, if that is still how things are.
  ///
  /// While it waits for the answer it holds the directories' locks: no invalidation of a later change overtakes it.
  func replayRemoval(_ request: Request, from spot: Spot) {
    guard let (replay, isFound) = stage.current, isFound, case .remove(spot, _, _) = replay, volumes.isDue(replay)
    else { return request.fail(VFSError(.busy)) }
    request.succeed()
  }

  func replayMove(_ request: Request, from: Spot, to: Spot) {
    guard let (replay, isFound) = stage.current, isFound, case .move(from, to, _) = replay, volumes.isDue(replay)
    else { return request.fail(VFSError(.busy)) }
    request.succeed()
  }

  func replayOpen(_ request: Request, _ node: UInt64) {
    guard case .write(let subject)? = stage.current?.replay, subject.node == node else {
      return request.fail(VFSError(.notPermitted))
    }
    _ = request.reply(handle: OpenFile.replayed.wire, flags: replayedFlags)
  }

  /// Answers SETATTR.
  ///
  /// The kernel takes the answer's time for one that it set, and would keep pages of an older content under it: so it
  /// gets another time, only until anyone asks.
  func replayChange(_ request: Request, of place: Place) throws(VFSError) {
    guard let subject = stage.current?.replay.subject, subject.node == place.node(place.inode) else {
      throw VFSError(.notPermitted)
    }
    var attributes = place.wire(try place.fileSystem.attributes(of: place.inode))
    attributes.modified_ns ^= 1
    request.reply(attributes: attributes, timeout: 0)
  }

  /// Answers GETATTR, which the kernel sends to see what the replayer may do: as the owner that it is, anything.
  ///
  /// Anyone else's permissions are looked up anew.
  func replayAttributes(_ request: Request, of place: Place) throws(VFSError) {
    let attributes = try place.fileSystem.attributes(of: place.inode)
    var wire = place.wire(attributes)
    wire.mode |= attributes.kind == .directory ? 0o700 : 0o200
    request.reply(attributes: wire, timeout: 0)
  }
}

extension Spot {
  /// Copies the kernel's name.
  init(_ directory: UInt64, _ name: UnsafePointer<CChar>) {
    self.init(directory: directory, name: unsafe [UInt8](bytes(name)))
  }
}
