/** binary-trees, GCBench, traversal. */
final class Trees {
    private record Tree(Tree left, Tree right) {
        static Tree bottomUp(int depth) {
            if (depth == 0) {
                return new Tree(null, null);
            }
            return new Tree(bottomUp(depth - 1), bottomUp(depth - 1));
        }

        long count() {
            return 1 + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }
    }

    static long binaryTrees(int max) {
        long checksum = Tree.bottomUp(max + 1).count();
        Tree longLived = Tree.bottomUp(max);
        for (int depth = 4; depth <= max; depth += 2) {
            long trees = 1L << (max - depth + 4);
            long sum = 0;
            for (long i = 0; i < trees; i++) {
                sum += Tree.bottomUp(depth).count();
            }
            checksum = Main.mix(checksum, sum);
        }
        return Main.mix(checksum, longLived.count());
    }

    static long threads(int max, int count) {
        var sums = new long[count];
        var workers = new Thread[count];
        for (int i = 0; i < count; i++) {
            int index = i;
            workers[i] = new Thread(() -> sums[index] = binaryTrees(max));
            workers[i].start();
        }
        long checksum = 0;
        for (int i = 0; i < count; i++) {
            try {
                workers[i].join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            checksum = Main.mix(checksum, sums[i]);
        }
        return checksum;
    }

    private static final class Node {
        Node left;
        Node right;
        long i;
        long j;

        void populate(int depth) {
            if (depth > 0) {
                left = new Node();
                right = new Node();
                left.populate(depth - 1);
                right.populate(depth - 1);
            }
        }

        static Node bottomUp(int depth) {
            var node = new Node();
            if (depth > 0) {
                node.left = bottomUp(depth - 1);
                node.right = bottomUp(depth - 1);
            }
            return node;
        }

        long count() {
            return 1 + i + j + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }

        long first() {
            return (left == null ? 0 : left.i) + 1;
        }
    }

    static long gcbench(int max) {
        Node.bottomUp(max + 2);
        var longLived = new Node();
        longLived.populate(max);
        var array = new double[500000];
        for (int i = 0; i < array.length; i++) {
            array[i] = 1.0 / (i + 1);
        }
        long checksum = 0;
        for (int depth = 4; depth <= max; depth += 2) {
            long trees = 1L << (max - depth + 4);
            long sum = 0;
            for (long i = 0; i < trees / 2; i++) {
                var top = new Node();
                top.populate(depth);
                sum += top.first();
            }
            for (long i = 0; i < trees / 2; i++) {
                sum += Node.bottomUp(depth).first();
            }
            checksum = Main.mix(checksum, sum);
        }
        return Main.mix(checksum, longLived.count() + (long) (array[1000] * 1e9));
    }

    private record Valued(Valued left, Valued right, long value, long depth) {
        static Valued build(int depth, long[] next) {
            Valued left = depth == 0 ? null : build(depth - 1, next);
            Valued right = depth == 0 ? null : build(depth - 1, next);
            return new Valued(left, right, next[0]++, depth);
        }

        long sum() {
            return (value ^ depth) + (left == null ? 0 : left.sum()) + (right == null ? 0 : right.sum());
        }
    }

    static long traversal(int depth, long rounds) {
        var tree = Valued.build(depth, new long[1]);
        long checksum = 0;
        for (long round = 0; round < rounds; round++) {
            checksum = Long.rotateLeft(checksum, 1) + tree.sum();
        }
        return checksum;
    }
}
