; The SIGBUS handler of virtio/memory/sigbus.py, which explains it and compiles it when it is first needed.
; In LLVM's assembly because it must run without the interpreter, on any thread, at any instruction.
; All numbers hold for Linux on x86-64 and aarch64.

%watch = type { i64, i64, i64, ptr, i64 }   ; first address, end, protection, the byte to set, page
@watches  = global ptr null                 ; -> @count of them; those not in use are all zeros
@count    = global i64 0
@previous = global [152 x i8] zeroinitializer  ; struct sigaction: who gets what is not ours; zeros: SIG_DFL

declare i64 @mmap(i64, i64, i32, i32, i32, i64)
declare i32 @sigaction(i32, ptr, ptr)
declare i32 @raise(i32)
declare ptr @memset(ptr, i32, i64)

define void @handler(i32 %signal, ptr %info, ptr %context) {
  %code.at = getelementptr i32, ptr %info, i64 2     ; siginfo_t.si_code
  %code = load i32, ptr %code.at
  %address.at = getelementptr i64, ptr %info, i64 2  ; siginfo_t.si_addr
  %address = load i64, ptr %address.at
  %beyond.end = icmp eq i32 %code, 2                 ; BUS_ADRERR
  %table = load ptr, ptr @watches
  %count = load i64, ptr @count
  br i1 %beyond.end, label %search, label %foreign

search:                                              ; for i in range(count):
  %i = phi i64 [ 0, %0 ], [ %next, %compare ]
  %left = icmp ult i64 %i, %count
  br i1 %left, label %compare, label %foreign

compare:                                             ;   if start <= address < end: replace
  %watch = getelementptr %watch, ptr %table, i64 %i
  %start = load i64, ptr %watch
  %end.at = getelementptr %watch, ptr %watch, i64 0, i32 1
  %end = load i64, ptr %end.at
  %above = icmp ule i64 %start, %address
  %below = icmp ult i64 %address, %end
  %inside = and i1 %above, %below
  %next = add i64 %i, 1
  br i1 %inside, label %replace, label %search

replace:                                             ; zeros from the page of the fault to the end
  %page.at = getelementptr %watch, ptr %watch, i64 0, i32 4
  %page = load i64, ptr %page.at
  %mask = sub i64 0, %page
  %page.start = and i64 %address, %mask
  %before = icmp ult i64 %page.start, %start         ; the mapping need not begin at a huge page
  %from = select i1 %before, i64 %start, i64 %page.start
  %size = sub i64 %end, %from
  %protection.at = getelementptr %watch, ptr %watch, i64 0, i32 2
  %protection = load i64, ptr %protection.at
  %rights = trunc i64 %protection to i32
  %mapped = call i64 @mmap(i64 %from, i64 %size, i32 %rights, i32 50, i32 -1, i64 0) ; PRIVATE|FIXED|ANONYMOUS
  %done = icmp eq i64 %mapped, %from
  br i1 %done, label %mark, label %foreign

mark:
  %byte.at.at = getelementptr %watch, ptr %watch, i64 0, i32 3
  %byte.at = load ptr, ptr %byte.at.at
  store i8 1, ptr %byte.at
  ret void                                           ; the access runs again and finds zeros

foreign:                                             ; not ours: the handler that was there before gets it
  %restored = call i32 @sigaction(i32 %signal, ptr @previous, ptr null)
  %forgotten = call ptr @memset(ptr @previous, i32 0, i64 152) ; asked again, by a handler that chains to us: die
  %sent = icmp sle i32 %code, 0                      ; SI_USER and the like: no access will run again
  br i1 %sent, label %resend, label %leave

resend:
  %raised = call i32 @raise(i32 %signal)
  br label %leave

leave:
  ret void
}
