import CLibFuzzer
import Glibc

// Fuzz TARGET CORPUS [option of libFuzzer…]: writes the seeds into the directory CORPUS, and goes on from all that is there.
// Fuzz TARGET CORPUS FILE… [option…]: reads only these inputs.

if CommandLine.arguments.dropFirst() == ["--list"] {
  print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
  exit(0)
}
guard let target = FuzzTarget.chosen, CommandLine.argc > 2 else {
  print("usage: Fuzz TARGET CORPUS [-max_total_time=60 …], or Fuzz --list")
  exit(2)
}
let corpus = CommandLine.arguments[2]
for (number, seed) in try target.seeds().enumerated() {
  let file = unsafe fopen("\(corpus)/seed-\(number)", "w")
  guard let file = unsafe file else {
    print("cannot write to \(corpus)")
    exit(2)
  }
  unsafe fwrite(seed, 1, seed.count, file)
  unsafe fclose(file)
}

// SAFETY: libFuzzer keeps the arguments for as long as the program runs, so they are never freed.
let rest = CommandLine.arguments.dropFirst(3)
let hasInputs = rest.contains { !$0.hasPrefix("-") }
let words = [CommandLine.arguments[0]] + (hasInputs ? [] : [corpus]) + rest
var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
var count = Int32(unsafe arguments.count - 1)
let status = unsafe arguments.withUnsafeMutableBufferPointer { arguments in
  var base = arguments.baseAddress
  return unsafe LLVMFuzzerRunDriver(&count, &base) { data, size in
    // A refused input is as good as one that was taken.
    unsafe try? FuzzTarget.chosen?.read([UInt8](UnsafeBufferPointer(start: data, count: size)))
    return 0
  }
}
exit(status)
