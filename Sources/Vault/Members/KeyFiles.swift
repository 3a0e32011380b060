internal import Age
internal import GitStore
internal import SecretMemory

/// The age files of a membership commit: epoch keys and the list of people, each encrypted to those entitled to it.
struct KeyFiles {
  let identity: Identity

  /// A file's plaintext; nil if it is for others.
  ///
  /// - Throws: ``VaultError/objectDamaged(_:)``.
  func open(_ blob: ObjectName, in source: some ObjectSource) throws(VaultError) -> WipedBuffer? {
    let file = try source.loadBlob(blob)
    do {
      return unsafe try AgeFile.decrypt(file.span.bytes, with: [identity.decryption])
    } catch .noIdentityMatched {
      return nil
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch {
      throw .objectDamaged(blob)
    }
  }

  /// The identities in an epoch's key file, its own first; nil if the file is for others.
  func identities(_ blob: ObjectName, in source: some ObjectSource) throws(VaultError) -> [X25519Identity]? {
    guard let text = try open(blob, in: source) else { return nil }
    do {
      return try text.withBytes { bytes throws(AgeError) in try KeyFile.identities(in: bytes) }
    } catch {
      throw .objectDamaged(blob)
    }
  }

  /// A file for those of `members` that may read, and were given the key of `epoch`.
  static func seal(
    _ plaintext: RawSpan, to members: some Sequence<Member>, entitledTo epoch: UInt32
  ) throws(VaultError) -> NewObject {
    do {
      var recipients: [X25519Recipient] = []
      for member in members where member.role.mayRead && member.since <= epoch {
        recipients.append(try X25519Recipient(member.recipient))
      }
      // In an order that says nothing of the members.
      recipients.shuffle()
      return NewObject(kind: .blob, bytes: try AgeFile.encrypt(plaintext, to: recipients))
    } catch .malformedKey {
      throw .recipientMalformed
    } catch {
      throw .memoryUnavailable
    }
  }

  /// Whether files can be encrypted to it, which is tried: a point of low order is one in form, and stops every key.
  static func isRecipient(_ text: String) -> Bool {
    guard let recipient = try? X25519Recipient(text) else { return false }
    let nothing: [UInt8] = []
    return unsafe (try? AgeFile.encrypt(nothing.span.bytes, to: [recipient])) != nil
  }

  /// A new epoch's key, as the text of an identity file, with `others`: keys of forks that lost, which some objects are under.
  static func newKey(with others: [X25519Identity] = []) throws(VaultError) -> WipedBuffer {
    do {
      var lines = [try X25519Identity().encoded()]
      for other in others { lines.append(try other.encoded()) }
      let count = lines.reduce(0) { $0 + $1.count + 1 }
      let text = try WipedBuffer(uninitializedCount: count)
      unsafe text.withUnsafeMutableBytes { output in
        var offset = 0
        for line in lines {
          unsafe line.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: output[offset...]).copyMemory(from: bytes)
          }
          offset += line.count
          unsafe output[offset] = 0x0A
          offset += 1
        }
      }
      return text
    } catch {
      throw .memoryUnavailable
    }
  }
}
