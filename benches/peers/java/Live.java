import java.lang.management.ManagementFactory;
import java.util.Arrays;

/** Half a gigabyte of live objects. */
final class Live {
    private record Tree(Tree left, Tree right, long value) {
        static Tree build(int depth) {
            Tree left = depth > 1 ? build(depth - 1) : null;
            Tree right = depth > 1 ? build(depth - 1) : null;
            return new Tree(left, right, depth);
        }
    }

    private record Cons(Cons next, long value, long more) {}

    static long latency(int depth, int batches) {
        var threads = ManagementFactory.getThreadMXBean();
        var tree = Tree.build(depth);
        var window = new Cons[64];
        var cpu = new long[batches];
        var wall = new long[batches];
        long sum = 0;
        long cpuLast = threads.getCurrentThreadCpuTime();
        long wallLast = System.nanoTime();
        for (int batch = 0; batch < batches; batch++) {
            Cons head = null;
            for (long i = 0; i < 1000; i++) {
                head = new Cons(head, batch + i, i);
            }
            sum += head.value + head.more;
            window[batch % window.length] = head;
            long cpuNow = threads.getCurrentThreadCpuTime();
            long wallNow = System.nanoTime();
            cpu[batch] = cpuNow - cpuLast;
            wall[batch] = wallNow - wallLast;
            cpuLast = cpuNow;
            wallLast = wallNow;
        }
        print("cpu", cpu);
        print("wall", wall);
        return sum + tree.value;
    }

    private static void print(String clock, long[] laps) {
        Arrays.sort(laps);
        int last = laps.length - 1;
        System.out.printf("%s_p50_us %.2f%n", clock, laps[last / 2] / 1e3);
        System.out.printf("%s_p999_us %.2f%n", clock, laps[(int) (last * 0.999)] / 1e3);
        System.out.printf("%s_max_us %.2f%n", clock, laps[last] / 1e3);
    }

    static long markOrdered(int depth) {
        var tree = Tree.build(depth);
        var process = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        System.gc();
        long cpu = process.getProcessCpuTime();
        long wall = System.nanoTime();
        for (int i = 0; i < 5; i++) {
            System.gc();
        }
        double spent = (process.getProcessCpuTime() - cpu) / 5.0;
        System.out.printf("collect_wall_ms %.1f%n", (System.nanoTime() - wall) / 5e6);
        System.out.printf("collect_cpu_ms %.1f%n", spent / 1e6);
        System.out.printf("mark_mobjects_per_s %.1f%n", ((1L << depth) - 1) * 1e3 / spent);
        return tree.value + 1;
    }
}
