extension TarMember {
  /// The member's complete header: a pax extended header where ustar's fields do not suffice, then the ustar header.
  ///
  /// The same member always gives the same bytes. Content and its padding follow it in the archive.
  /// - Returns: A multiple of 512 bytes, at most ``headerLimit``.
  /// - Throws: ``TarError/unencodableMember`` for an empty path (but a directory's), name or link target, one with NUL, a
  ///   path that ends with "/", a mode beyond 0o7777, or a size that is beyond Int64.max or of another kind than regular;
  ///   ``TarError/headerTooLarge``.
  public func encodedHeader() throws(TarError) -> [UInt8] {
    let capacity = try encodedHeaderCapacity()
    return try [UInt8](capacity: capacity) { (output: inout OutputSpan<UInt8>) throws(TarError) in
      try encodeHeader(into: &output)
    }
  }

  /// Room that is enough for ``encodeHeader(into:)``, in bytes; found without encoding, and somewhat too large.
  ///
  /// - Throws: ``TarError/headerTooLarge`` if the header might not fit ``headerLimit``.
  public func encodedHeaderCapacity() throws(TarError) -> Int {
    // Two header blocks, one of padding, and one for the keywords, lengths and numbers of the fixed records.
    var capacity = 4 * Self.blockSize + path.count
    capacity += (userName?.count ?? 0) + (groupName?.count ?? 0)
    switch kind {
    case .hardLink(let target), .symbolicLink(let target): capacity += target.count
    case .regular, .directory, .fifo, .characterDevice, .blockDevice: break
    }
    // Each record has a length of at most 7 digits, " SCHILY.xattr.", "=" and "\n"; a name's byte takes up to 3.
    for (name, value) in extendedAttributes { capacity += 24 + 3 * name.count + value.count }
    guard capacity <= Self.headerLimit else { throw .headerTooLarge }
    return capacity
  }

  /// Appends the bytes of ``encodedHeader()`` to `output`, which the caller may have in memory that is wiped.
  ///
  /// Nothing of the header is copied to any other memory. Traps if `output` has less room than
  /// ``encodedHeaderCapacity()``.
  /// - Throws: As ``encodedHeader()``, before anything is appended.
  public func encodeHeader(into output: inout OutputSpan<UInt8>) throws(TarError) {
    try checkEncodable()
    let capacity = try encodedHeaderCapacity()
    precondition(output.freeCapacity >= capacity, "the output must have room for the header")

    let start = output.count
    output.append(repeating: 0, count: Self.blockSize)
    appendRecords(to: &output)
    let recordBytes = output.count - start - Self.blockSize
    guard recordBytes > 0 else {
      var bytes = output.mutableSpan
      fillUstarBlock(at: start, &bytes)
      return
    }
    output.append(repeating: 0, count: Self.padding(forSize: UInt64(recordBytes)) + Self.blockSize)
    let end = output.count
    var bytes = output.mutableSpan
    fillExtendedBlock(at: start, recordBytes: recordBytes, &bytes)
    fillUstarBlock(at: end - Self.blockSize, &bytes)
  }

  private func checkEncodable() throws(TarError) {
    var valid = !path.contains(0) && mode <= 0o7777 && size <= UInt64(Int64.max)
    valid = valid && (kind == .regular || size == 0) && (kind == .directory || !path.isEmpty)
    // A "/" at the end makes any member a directory.
    valid = valid && path.last != UInt8(ascii: "/")
    switch kind {
    case .hardLink(let target), .symbolicLink(let target): valid = valid && !target.isEmpty && !target.contains(0)
    case .regular, .directory, .fifo, .characterDevice, .blockDevice: break
    }
    for name in extendedAttributes.keys { valid = valid && !name.isEmpty && !name.contains(0) }
    if let userName { valid = valid && !userName.isEmpty && !userName.contains(0) }
    if let groupName { valid = valid && !groupName.isEmpty && !groupName.contains(0) }
    guard valid else { throw .unencodableMember }
  }

  /// Appends the pax records of all that the ustar header cannot hold, in a fixed order.
  private func appendRecords(to output: inout OutputSpan<UInt8>) {
    let isDirectory = kind == .directory
    let longPath = fits(path, HeaderField.name.length - (isDirectory ? 1 : 0)) ? nil : path
    let longUser = userName.flatMap { fits($0, 31) ? nil : $0 }
    let longGroup = groupName.flatMap { fits($0, 31) ? nil : $0 }
    var longTarget: [UInt8]?
    switch kind {
    case .hardLink(let target), .symbolicLink(let target):
      longTarget = fits(target, HeaderField.linkName.length) ? nil : target
    case .regular, .directory, .fifo, .characterDevice, .blockDevice: break
    }

    // "hdrcharset": without it these values are UTF-8.
    if !(isUTF8(longPath) && isUTF8(longTarget) && isUTF8(longUser) && isUTF8(longGroup)) {
      output.appendRecord("hdrcharset", .bytes(Array("BINARY".utf8)))
    }
    if extendedAttributes.count <= 1 {
      for (name, value) in extendedAttributes { output.appendRecord("SCHILY.xattr.", suffix: name, .bytes(value)) }
    } else {
      for (name, value) in extendedAttributes.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        output.appendRecord("SCHILY.xattr.", suffix: name, .bytes(value))
      }
    }
    if let changed { output.appendRecord("ctime", .time(changed)) }
    if UInt64(groupID) > HeaderField.groupID.octalLimit { output.appendRecord("gid", .number(UInt64(groupID))) }
    if let longGroup { output.appendRecord("gname", .bytes(longGroup)) }
    if let longTarget { output.appendRecord("linkpath", .bytes(longTarget)) }
    if modified.nanoseconds != 0 || modified.seconds < 0 || UInt64(modified.seconds) > HeaderField.modified.octalLimit {
      output.appendRecord("mtime", .time(modified))
    }
    if let longPath { output.appendRecord("path", isDirectory ? .directory(longPath) : .bytes(longPath)) }
    if size > HeaderField.size.octalLimit { output.appendRecord("size", .number(size)) }
    if UInt64(userID) > HeaderField.userID.octalLimit { output.appendRecord("uid", .number(UInt64(userID))) }
    if let longUser { output.appendRecord("uname", .bytes(longUser)) }
  }

  private func fillExtendedBlock(at base: Int, recordBytes: Int, _ bytes: inout MutableSpan<UInt8>) {
    // Constant but for its size: nothing of the member shows in it.
    HeaderBlockWriter.put("PaxHeaders/x".utf8, in: .name, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(0o644, in: .mode, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(0, in: .userID, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(0, in: .groupID, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(UInt64(recordBytes), in: .size, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(0, in: .modified, ofBlockAt: base, &bytes)
    HeaderBlockWriter.seal(type: TypeFlag.extendedHeader, blockAt: base, &bytes)
  }

  private func fillUstarBlock(at base: Int, _ bytes: inout MutableSpan<UInt8>) {
    // What a record holds too is cut to fit here, for readers that know no pax.
    if path.isEmpty { HeaderBlockWriter.put(".".utf8, in: .name, ofBlockAt: base, &bytes) }
    HeaderBlockWriter.put(path, in: .name, ofBlockAt: base, &bytes)
    if kind == .directory, path.count < HeaderField.name.length {
      bytes[base + max(path.count, 1)] = UInt8(ascii: "/")
    }
    HeaderBlockWriter.put(UInt64(mode), in: .mode, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(
      min(UInt64(userID), HeaderField.userID.octalLimit), in: .userID, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(
      min(UInt64(groupID), HeaderField.groupID.octalLimit), in: .groupID, ofBlockAt: base, &bytes)
    HeaderBlockWriter.put(min(size, HeaderField.size.octalLimit), in: .size, ofBlockAt: base, &bytes)
    let seconds = min(UInt64(max(modified.seconds, 0)), HeaderField.modified.octalLimit)
    HeaderBlockWriter.put(seconds, in: .modified, ofBlockAt: base, &bytes)
    if let userName { HeaderBlockWriter.put(userName.prefix(31), in: .userName, ofBlockAt: base, &bytes) }
    if let groupName { HeaderBlockWriter.put(groupName.prefix(31), in: .groupName, ofBlockAt: base, &bytes) }
    switch kind {
    case .hardLink(let target), .symbolicLink(let target):
      HeaderBlockWriter.put(target, in: .linkName, ofBlockAt: base, &bytes)
    case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
      HeaderBlockWriter.put(UInt64(major), in: .deviceMajor, ofBlockAt: base, &bytes)
      HeaderBlockWriter.put(UInt64(minor), in: .deviceMinor, ofBlockAt: base, &bytes)
    case .regular, .directory, .fifo: break
    }
    HeaderBlockWriter.seal(type: kind.typeFlag, blockAt: base, &bytes)
  }
}

extension TarMember.Kind {
  fileprivate var typeFlag: UInt8 {
    switch self {
    case .regular: TypeFlag.regular
    case .hardLink: TypeFlag.hardLink
    case .symbolicLink: TypeFlag.symbolicLink
    case .directory: TypeFlag.directory
    case .fifo: TypeFlag.fifo
    case .characterDevice: TypeFlag.characterDevice
    case .blockDevice: TypeFlag.blockDevice
    }
  }
}

/// Whether a ustar field of `limit` bytes may hold `text`: ustar's strings are ASCII.
private func fits(_ text: [UInt8], _ limit: Int) -> Bool {
  text.count <= limit && text.allSatisfy { $0 < 0x80 }
}

private func isUTF8(_ text: [UInt8]?) -> Bool {
  guard let text else { return true }
  return (try? UTF8Span(validating: text.span)) != nil
}
