/// Puts a member together from its header blocks and records, in archive order.
///
/// Both readers drive it; what it keeps is bounded by ``TarMember/headerLimit``, once for a member and once for the
/// archive's global records.
struct MemberAssembler {
  /// What follows a header block.
  enum Step {
    /// The payload of an extended or long-name header: this many bytes and their padding.
    case records(byteCount: Int)
    case member(TarMember)
    /// A block of zeros.
    case zeroBlock
  }

  private enum Payload {
    case extended
    case global
    case longName
    case longLink
  }

  private var global = PaxRecords()
  private var globalByteCount = 0
  private var extended: PaxRecords?
  private var longName: [UInt8]?
  private var longLink: [UInt8]?
  private var expected: Payload?
  private var headerByteCount = 0

  /// Whether headers were read whose member has not come yet.
  private(set) var isInsideMember = false

  /// Takes the block at `offset` of `source`.
  mutating func takeBlock(_ source: Span<UInt8>, at offset: Int) throws(TarError) -> Step {
    guard let block = try HeaderBlock(source, at: offset) else {
      // Records without a member: the archive was cut.
      guard !isInsideMember else { throw .malformedHeader }
      return .zeroBlock
    }
    switch block.type {
    case TypeFlag.extendedHeader:
      guard extended == nil else { throw .malformedHeader }
      return try expect(.extended, after: block)
    case TypeFlag.globalHeader:
      guard !isInsideMember else { throw .malformedHeader }
      return try expect(.global, after: block)
    case TypeFlag.gnuLongName:
      guard longName == nil else { throw .malformedHeader }
      return try expect(.longName, after: block)
    case TypeFlag.gnuLongLink:
      guard longLink == nil else { throw .malformedHeader }
      return try expect(.longLink, after: block)
    default:
      let member = try member(from: block)
      (extended, longName, longLink) = (nil, nil, nil)
      headerByteCount = 0
      isInsideMember = false
      return .member(member)
    }
  }

  /// Takes the payload that the step before asked for, without its padding.
  mutating func takeRecords(_ payload: ArraySlice<UInt8>) throws(TarError) {
    switch expected {
    case .extended:
      var records = global
      try records.apply(payload)
      extended = records
    case .global:
      globalByteCount += payload.count
      guard globalByteCount <= TarMember.headerLimit else { throw .headerTooLarge }
      try global.apply(payload)
    case .longName: longName = try Self.longText(payload)
    case .longLink: longLink = try Self.longText(payload)
    case nil: preconditionFailure("records come only when a block announced them")
    }
    expected = nil
  }

  private mutating func expect(_ payload: Payload, after block: borrowing HeaderBlock) throws(TarError) -> Step {
    let size = try block.number(.size)
    guard size >= 0 else { throw .malformedHeader }
    guard size <= TarMember.headerLimit else { throw .headerTooLarge }
    headerByteCount += 2 * TarMember.blockSize + Int(size)
    guard headerByteCount <= TarMember.headerLimit else { throw .headerTooLarge }
    expected = payload
    if case .global = payload { headerByteCount = 0 } else { isInsideMember = true }
    return .records(byteCount: Int(size))
  }

  /// A payload of GNU tar's "L" or "K": the name and a NUL.
  private static func longText(_ payload: ArraySlice<UInt8>) throws(TarError) -> [UInt8] {
    let text = payload.prefix { $0 != 0 }
    guard !text.isEmpty, payload.count - text.count <= 1 else { throw .malformedHeader }
    return [UInt8](text)
  }

  private func member(from block: borrowing HeaderBlock) throws(TarError) -> TarMember {
    let records = extended ?? global
    let size = try Self.size(records.size, of: block)
    var path = records.path ?? longName ?? Self.path(of: block)
    var isDirectory = block.type == TypeFlag.directory
    if path.last == UInt8(ascii: "/") {
      // Before ustar, a directory was a file whose name ends so.
      if [0, TypeFlag.regular, TypeFlag.contiguous].contains(block.type) { isDirectory = true }
      path.removeLast(path.reversed().prefix { $0 == UInt8(ascii: "/") }.count)
      guard isDirectory || !path.isEmpty else { throw .malformedHeader }
    } else if path.isEmpty {
      throw .malformedHeader
    }
    if isDirectory, path == [UInt8(ascii: ".")] { path = [] }

    let kind = isDirectory ? .directory : try Self.kind(of: block, records, longLink: longLink)
    // POSIX gives only regular files content, but some writers state a size for others, and readers then disagree
    // about what follows.
    guard kind == .regular || size == 0 else { throw .malformedHeader }
    let named = block.format != .v7
    return TarMember(
      path: path, kind: kind, mode: UInt16(truncatingIfNeeded: try block.number(.mode) & 0o7777),
      userID: try Self.identifier(records.userID, or: .userID, of: block),
      groupID: try Self.identifier(records.groupID, or: .groupID, of: block),
      userName: records.userName.or(named ? Self.nonEmpty(block.text(.userName)) : nil),
      groupName: records.groupName.or(named ? Self.nonEmpty(block.text(.groupName)) : nil),
      modified: try Self.modified(records.modified, of: block), changed: records.changed,
      size: size, extendedAttributes: records.extendedAttributes)
  }

  private static func path(of block: borrowing HeaderBlock) -> [UInt8] {
    let name = block.text(.name)
    // GNU tar's own format has times and sparse maps where ustar has the prefix.
    guard block.format == .ustar else { return name }
    let prefix = block.text(.prefix)
    return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
  }

  private static func kind(
    of block: borrowing HeaderBlock, _ records: PaxRecords, longLink: [UInt8]?
  ) throws(TarError) -> TarMember.Kind {
    switch block.type {
    case 0, TypeFlag.regular, TypeFlag.contiguous: return .regular
    case TypeFlag.hardLink, TypeFlag.symbolicLink:
      let target = records.linkPath ?? longLink ?? block.text(.linkName)
      guard !target.isEmpty else { throw .malformedHeader }
      return block.type == TypeFlag.hardLink ? .hardLink(target: target) : .symbolicLink(target: target)
    case TypeFlag.fifo: return .fifo
    case TypeFlag.characterDevice, TypeFlag.blockDevice:
      let major = try identifier(records.deviceMajor, or: .deviceMajor, of: block)
      let minor = try identifier(records.deviceMinor, or: .deviceMinor, of: block)
      return block.type == TypeFlag.blockDevice
        ? .blockDevice(major: major, minor: minor) : .characterDevice(major: major, minor: minor)
    case TypeFlag.gnuSparse: throw .unsupportedSparseFile
    default: throw .unsupportedType(block.type)
    }
  }

  private static func nonEmpty(_ text: [UInt8]) -> [UInt8]? { text.isEmpty ? nil : text }

  private static func size(_ record: UInt64?, of block: borrowing HeaderBlock) throws(TarError) -> UInt64 {
    if let record { return record }
    guard let number = UInt64(exactly: try block.number(.size)) else { throw .malformedHeader }
    return number
  }

  private static func modified(
    _ record: TarMember.Time?, of block: borrowing HeaderBlock
  ) throws(TarError) -> TarMember.Time {
    if let record { return record }
    return TarMember.Time(seconds: try block.number(.modified))
  }

  private static func identifier(
    _ record: UInt32?, or field: HeaderField, of block: borrowing HeaderBlock
  ) throws(TarError) -> UInt32 {
    if let record { return record }
    guard let number = UInt32(exactly: try block.number(field)) else { throw .malformedHeader }
    return number
  }
}
